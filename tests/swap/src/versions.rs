//! Versions of the plugin: copies of one guest that differ in the number with which they mark rows.

use std::collections::BTreeMap;

use anyhow::Context as _;
use millstream_model::Digest;

/// What stands before the digits in the compiled guest.
const SIGN: &[u8] = b"millstream-mark=";
const DIGITS: usize = 8;

/// All versions that were made.
pub(crate) struct Versions {
    guest: Vec<u8>,
    /// Where the digits stand in it.
    at: usize,
    marks: BTreeMap<Digest, u64>,
}

impl Versions {
    /// No version yet.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let guest = std::fs::read(millstream_guests::wasm("mark"))?;
        let mut found = guest.windows(SIGN.len()).enumerate().filter(|(_, window)| *window == SIGN);
        let (at, _) = found.next().context("the guest has no mark")?;
        anyhow::ensure!(found.next().is_none(), "the guest has several marks");
        Ok(Self { at: at + SIGN.len(), marks: BTreeMap::new(), guest })
    }

    /// The compiled bytes of a version that was not there before.
    pub(crate) fn make(&mut self) -> (Digest, Vec<u8>) {
        let mark = self.marks.len() as u64 + 1;
        let mut bytes = self.guest.clone();
        bytes[self.at..self.at + DIGITS].copy_from_slice(format!("{mark:0DIGITS$}").as_bytes());
        let digest = Digest::of(&bytes);
        self.marks.insert(digest, mark);
        (digest, bytes)
    }

    /// The number with which a version marks its rows.
    pub(crate) fn mark(&self, version: Digest) -> Option<u64> {
        self.marks.get(&version).copied()
    }
}
