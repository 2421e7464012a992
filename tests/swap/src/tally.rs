//! What a run of the suite comes to, as its last line says it.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use crate::holds::Holds;
use crate::verdict::Verdict;

/// The sums.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The seed.
    pub seed: u64,
    /// Changes that the log took, by how they came about.
    pub swaps: BTreeMap<&'static str, u64>,
    /// Workers that were killed.
    pub kills: u64,
    /// Records produced a second.
    pub rate: u64,
    /// What became of the records.
    pub verdict: Verdict,
    /// How long changes held tasks.
    pub holds: Holds,
}

impl Tally {
    /// True if every record is there once, and made by the version that the log names.
    pub fn is_good(&self) -> bool {
        self.verdict.is_good()
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kinds: Vec<_> = self.swaps.iter().map(|(kind, times)| format!("{kind} {times}")).collect();
        let Verdict { records, lost, doubled, wrong } = self.verdict;
        write!(
            f,
            "swap: {} swaps ({}), {records} records at {}/s, {lost} lost, {doubled} doubled, {wrong} of a wrong version, {}, \
             {} kills, seed {}",
            self.swaps.values().sum::<u64>(),
            kinds.join(", "),
            self.rate,
            self.holds,
            self.kills,
            self.seed,
        )
    }
}
