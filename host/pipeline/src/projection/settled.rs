//! Which letters of an entry need not be sent again by this process, so that one that fails does not repeat
//! its neighbours. Kept in memory: what a crash forgets is sent twice, which the topic allows.

use std::collections::BTreeSet;

use millstream_model::entry::Sequence;

/// The settled letters of one entry. Letters are counted in their file, since the successors of a file may have
/// more of them than it had.
#[derive(Debug, Default)]
pub(super) struct Settled {
    sequence: Sequence,
    /// Files of the entry, from the first one, whose letters are all settled.
    files: usize,
    /// Letters of the next file, from the first one, that are settled.
    letters: u64,
    /// Ordinals of further ones, of one batch at most.
    beyond: BTreeSet<u64>,
}

impl Settled {
    /// Turns to the letters of entry `sequence`; what is known of them stays if it is the same entry.
    pub(super) fn turn_to(&mut self, sequence: Sequence) {
        if self.sequence != sequence {
            *self = Self { sequence, ..Self::default() };
        }
    }

    /// A letter of the file at hand is in the topic, or never will be.
    pub(super) fn add(&mut self, ordinal: u64) {
        self.beyond.insert(ordinal);
    }

    /// Of the file at hand all letters before number `end` are settled.
    pub(super) fn add_all_before(&mut self, end: u64) {
        self.letters = self.letters.max(end);
        self.beyond.clear();
    }

    /// All letters of the file at hand are settled; the next one follows.
    pub(super) fn add_file(&mut self) {
        self.files += 1;
        self.begin_file_again();
    }

    /// What is known of letters of the file at hand is of no use any more.
    pub(super) fn begin_file_again(&mut self) {
        self.letters = 0;
        self.beyond.clear();
    }

    /// True if the letter with this number in the file at hand, and this ordinal, is settled.
    pub(super) fn has(&self, number: u64, ordinal: u64) -> bool {
        number < self.letters || self.beyond.contains(&ordinal)
    }

    /// True if all letters of file `number` of the entry are settled.
    pub(super) fn has_file(&self, number: usize) -> bool {
        number < self.files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_settled_stays_so_within_its_entry() {
        let mut settled = Settled::default();
        settled.turn_to(4);
        settled.add_file();
        settled.add_all_before(64);
        [165, 170].into_iter().for_each(|ordinal| settled.add(ordinal));
        settled.turn_to(4);
        let known = |settled: &Settled| {
            (60..72).filter(|number| settled.has(*number, 100 + number)).collect::<Vec<_>>()
        };
        assert_eq!(known(&settled), [60, 61, 62, 63, 65, 70]);
        assert!(settled.has_file(0) && !settled.has_file(1));
        settled.add_file();
        assert!(known(&settled).is_empty() && settled.has_file(1));
        settled.turn_to(5);
        assert!(known(&settled).is_empty() && !settled.has_file(0));
    }
}
