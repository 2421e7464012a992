//! Which letters of an entry need not be sent again by this process, so that one that fails does not repeat
//! its neighbours. Kept in memory: what a crash forgets is sent twice, which the topic allows.

use std::collections::BTreeSet;

use millstream_model::entry::Sequence;

/// The settled letters of one entry, by their ordinals.
#[derive(Debug, Default)]
pub(super) struct Settled {
    sequence: Sequence,
    /// All letters before this one are settled.
    end: u64,
    /// Further ones, of one batch at most.
    beyond: BTreeSet<u64>,
}

impl Settled {
    /// Turns to the letters of entry `sequence`; what is known of them stays if it is the same entry.
    pub(super) fn turn_to(&mut self, sequence: Sequence) {
        if self.sequence != sequence {
            *self = Self { sequence, ..Self::default() };
        }
    }

    /// A letter is in the topic, or never will be.
    pub(super) fn add(&mut self, ordinal: u64) {
        self.beyond.insert(ordinal);
    }

    /// All letters before `end` are settled.
    pub(super) fn add_all_before(&mut self, end: u64) {
        self.end = self.end.max(end);
        self.beyond = self.beyond.split_off(&self.end);
    }

    /// True if the letter is settled.
    pub(super) fn has(&self, ordinal: u64) -> bool {
        ordinal < self.end || self.beyond.contains(&ordinal)
    }

    /// True if all letters before `end` are known to be settled.
    pub(super) fn has_all_before(&self, end: u64) -> bool {
        end <= self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_settled_stays_so_within_its_entry() {
        let mut settled = Settled::default();
        settled.turn_to(4);
        settled.add_all_before(64);
        [65, 70].into_iter().for_each(|ordinal| settled.add(ordinal));
        settled.turn_to(4);
        let known = |settled: &Settled| (60..72).filter(|ordinal| settled.has(*ordinal)).collect::<Vec<_>>();
        assert_eq!(known(&settled), [60, 61, 62, 63, 65, 70]);
        assert!(settled.has_all_before(64) && !settled.has_all_before(65));
        settled.turn_to(5);
        assert!(known(&settled).is_empty());
    }
}
