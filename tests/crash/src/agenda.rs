//! What is due when in a round: the plan's moments, and those that faults add as they strike.

use std::collections::BTreeMap;

use crate::fault::Heal;
use crate::plan::{Fault, Plan, WINDOW_MS};

/// Times in a round that messages are sent.
const BURSTS: u64 = 20;

/// What is due at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Messages are sent.
    Send,
    /// A fault strikes.
    Strike(Fault),
    /// A fault is mended.
    Heal(Heal),
}

/// Acts by their moment, in milliseconds from the round's start.
#[derive(Default)]
pub(crate) struct Agenda {
    /// The second number keeps acts of one moment apart, in the order in which they were added.
    acts: BTreeMap<(u64, u64), Act>,
    added: u64,
}

impl Agenda {
    /// What `plan` says, and messages all through the time in which faults strike.
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut this = Self::default();
        (0..BURSTS).for_each(|burst| this.add(burst * WINDOW_MS / BURSTS, Act::Send));
        plan.faults.iter().for_each(|(at, fault)| this.add(*at, Act::Strike(*fault)));
        this
    }

    /// Adds an act.
    pub(crate) fn add(&mut self, at_ms: u64, act: Act) {
        self.acts.insert((at_ms, self.added), act);
        self.added += 1;
    }

    /// Takes out the first act that is due at `now_ms`.
    pub(crate) fn due(&mut self, now_ms: u64) -> Option<Act> {
        self.acts.first_entry().filter(|first| first.key().0 <= now_ms).map(|first| first.remove())
    }

    /// True if nothing is to be done any more.
    pub(crate) fn is_empty(&self) -> bool {
        self.acts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_come_at_their_moment_and_in_their_order() {
        let mut agenda = Agenda::default();
        agenda.add(20, Act::Strike(Fault::Broker));
        agenda.add(10, Act::Send);
        agenda.add(10, Act::Heal(Heal::StartServer));
        assert_eq!(agenda.due(9), None);
        assert_eq!(
            [agenda.due(10), agenda.due(10), agenda.due(10)],
            [Some(Act::Send), Some(Act::Heal(Heal::StartServer)), None]
        );
        assert!(!agenda.is_empty());
        assert_eq!(agenda.due(30), Some(Act::Strike(Fault::Broker)));
        assert!(agenda.is_empty());
    }
}
