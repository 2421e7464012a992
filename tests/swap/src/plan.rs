//! What is done: a pure function of seed and number. Which version it leads to is for the suite to find out, since
//! that depends on what the log has seen.

use std::fmt::{self, Display, Formatter};

use millstream_tests::Random;

/// Workers.
pub const WORKERS: usize = 2;
/// Versions that a promotion may reach back to.
const BACK_MAX: u64 = 8;

/// One change of the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swap {
    /// Its number, from 0.
    pub number: u64,
    /// The worker that is asked, or whose folder is written to.
    pub worker: usize,
    /// How it comes about.
    pub way: Way,
    /// Time before it, in milliseconds.
    pub pause_ms: u64,
    /// What goes wrong meanwhile.
    pub kill: Option<Kill>,
}

/// How a change comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A file of a new version is put into the plugin folder.
    DropIn(Writing),
    /// The version that was this many changes ago is promoted.
    Promote {
        /// How many versions back, from 1.
        back: usize,
    },
    /// The step goes back to the version before.
    RollBack,
}

/// How a file gets into a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// Under another name, and then by a rename.
    Renamed,
    /// Over the file that is there.
    Over,
    /// Over the file that is there, half of it first and the rest somewhat later.
    Halves,
}

/// A `kill -9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill {
    /// True if it meets the worker that proposes the change, false for another one.
    pub proposer: bool,
    /// When.
    pub moment: Moment,
    /// Time until the worker is started again, in milliseconds.
    pub down_ms: u64,
}

/// A step of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The version lies in the lake, and its instances are ready.
    Stored,
    /// All threads run the new version, and nothing says so yet.
    Exchanged,
    /// What the former version made is committed.
    Committed,
    /// The log desires the new version, and nothing of it is committed.
    Desired,
    /// So many milliseconds behind the beginning, whatever is going on then.
    After(u64),
}

impl Moment {
    /// What a worker says at this step, if it says something.
    pub fn text(self) -> Option<&'static str> {
        match self {
            Self::Stored => Some("swap: stored and ready"),
            Self::Exchanged => Some("swap: all threads have the new stages"),
            Self::Committed => Some("swap: the rows of the former stages are committed"),
            Self::Desired => Some("swap: the log desires the new versions"),
            Self::After(_) => None,
        }
    }
}

impl Swap {
    /// The change of this number; with a kill in it if that is asked for.
    pub fn of(seed: u64, number: u64, with_kill: bool) -> Self {
        let mut random = Random::of(seed, number);
        let way = match random.between(0, 9) {
            0..5 => Way::DropIn(random.one_of(&[Writing::Renamed, Writing::Over, Writing::Halves])),
            5..8 => Way::Promote { back: random.between(1, BACK_MAX) as usize },
            _ => Way::RollBack,
        };
        let worker = random.between(0, WORKERS as u64 - 1) as usize;
        let pause_ms = if random.once_in(3) { 0 } else { random.between(0, 200) };
        let kill = with_kill.then(|| kill(&mut random));
        Self { number, worker, way, pause_ms, kill }
    }

    /// The worker that is killed.
    pub fn victim(&self) -> Option<usize> {
        let kill = self.kill?;
        Some(if kill.proposer { self.worker } else { (self.worker + 1) % WORKERS })
    }
}

fn kill(random: &mut Random) -> Kill {
    let after = Moment::After(random.between(0, 1500));
    let steps = [Moment::Stored, Moment::Exchanged, Moment::Committed, Moment::Desired];
    let proposer = !random.once_in(4);
    // Who follows says less of what it does.
    let moment = if proposer && !random.once_in(5) { random.one_of(&steps) } else { after };
    Kill { proposer, moment, down_ms: random.between(0, 1000) }
}

impl Way {
    /// Its name in the last line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::DropIn(_) => "dropped in",
            Self::Promote { .. } => "promoted",
            Self::RollBack => "rolled back",
        }
    }
}

impl Display for Swap {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { number, worker, way, pause_ms, kill } = self;
        write!(f, "swap {number}: +{pause_ms} ms, {way:?} at worker {worker}")?;
        match (kill, self.victim()) {
            (Some(Kill { moment, down_ms, .. }), Some(victim)) => {
                write!(f, "; worker {victim} is killed at {moment:?}, down {down_ms} ms")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn plan(seed: u64, with_kill: bool) -> Vec<Swap> {
        (0..200).map(|number| Swap::of(seed, number, with_kill)).collect()
    }

    #[test]
    fn a_seed_decides_everything() {
        assert_eq!(plan(7, true), plan(7, true));
        assert_ne!(plan(7, true), plan(8, true));
    }

    #[test]
    fn every_way_and_every_moment_has_its_turn() {
        for seed in 0..20 {
            let plan = plan(seed, true);
            let ways: BTreeSet<_> = plan.iter().map(|swap| swap.way.name()).collect();
            assert_eq!(ways.len(), 3);
            let moments: BTreeSet<_> =
                plan.iter().filter_map(|swap| swap.kill).map(|kill| kill.moment.text()).collect();
            assert_eq!(moments.len(), 5, "{moments:?}");
            let victims: BTreeSet<_> = plan.iter().filter_map(Swap::victim).collect();
            assert_eq!(victims.len(), WORKERS);
        }
    }

    #[test]
    fn a_kill_changes_nothing_else() {
        for (with, without) in plan(1, true).into_iter().zip(plan(1, false)) {
            assert_eq!(Swap { kill: None, ..with }, without);
        }
    }
}
