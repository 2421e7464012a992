//! What a run of the suite comes to, as its last line says it.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

/// The sums.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The seed.
    pub seed: u64,
    /// Rounds that were run.
    pub rounds: u64,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Records produced.
    pub records: u64,
    /// Workers that gave up for a reason a user would accept, and were started again.
    pub gave_up: u64,
    /// Looks of the reader that lists tables all the time.
    pub looks: u64,
    /// Records that are not in the tables.
    pub lost: u64,
    /// Rows too many.
    pub doubled: u64,
    /// What else went wrong, in which round.
    pub violation: Option<String>,
}

impl Tally {
    /// Counts a fault that struck.
    pub(crate) fn count(&mut self, kind: &'static str, times: u64) {
        if times > 0 {
            *self.faults.entry(kind).or_default() += times;
        }
    }

    /// True if every record is there once and nobody saw anything wrong.
    pub fn is_good(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.violation.is_none()
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kinds: Vec<_> = self.faults.iter().map(|(kind, times)| format!("{kind} {times}")).collect();
        write!(
            f,
            "crash: {} rounds, {} faults ({}), {} records, {} records lost, {} records doubled, {} looks at the tables{}, \
             {} workers gave up and were restarted, seed {}",
            self.rounds,
            self.faults.values().sum::<u64>(),
            kinds.join(", "),
            self.records,
            self.lost,
            self.doubled,
            self.looks,
            if self.violation.is_some() { ", FAILED" } else { ", none wrong" },
            self.gave_up,
            self.seed,
        )
    }
}
