//! Reads the whole log in its order, entries and snapshots, and folds what can be folded. Where the log
//! cannot be folded on, what is behind is still chained entry to entry, and the next snapshot begins anew.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use millstream_log::{FoldError, Folded, LogState, Rules, decode_entry, decode_snapshot};
use millstream_model::Digest;
use millstream_model::entry::{Body, Entry, Sequence};

use super::Verifier;
use crate::checkpoint::{LogError, LogStore};
use crate::upkeep::finding::Finding;

/// Which entry names a live file, as far as entries are still there.
pub(super) type NamedBy = BTreeMap<String, Sequence>;

/// Entries that are read at once.
const ENTRIES_AT_ONCE: usize = 32;
/// Entries between two words on how far it is.
const ENTRIES_PER_WORD: u64 = 1000;

/// The log, as far as it was read.
pub(super) struct History<'a> {
    log: &'a LogStore,
    /// Behind the last entry or snapshot; none where nothing can be folded on.
    state: Option<LogState>,
    /// The last entry that was read, with the digest of its bytes.
    last: Option<(Sequence, Digest)>,
    /// Newest snapshot: entries up to it are needed by nobody.
    boundary: Sequence,
    named: NamedBy,
}

impl<'a> History<'a> {
    pub(super) fn new(log: &'a LogStore) -> Self {
        Self { log, state: None, last: None, boundary: 0, named: NamedBy::new() }
    }

    /// Reads all of it. Gives the state at its head and the entries that name live files; none if the head
    /// cannot be reached.
    pub(super) async fn read(
        mut self,
        verifier: &mut Verifier<'_>,
    ) -> Result<Option<(LogState, NamedBy)>, LogError> {
        let snapshots = self.log.snapshots().await?;
        let sequences = self.log.sequences(0).await?;
        self.boundary = snapshots.last().copied().unwrap_or(0);
        if snapshots.is_empty() || sequences.first() == Some(&1) {
            self.state = Some(LogState::default());
        }
        let (log, all) = (self.log, sequences.len() as u64);
        let reads = stream::iter(sequences).map(|n| async move { log.entry(n).await.map(|read| (n, read)) });
        let mut reads = std::pin::pin!(reads.buffered(ENTRIES_AT_ONCE));
        let mut snapshots = snapshots.into_iter().peekable();
        while let Some((sequence, bytes)) = reads.try_next().await? {
            while let Some(snapshot) = snapshots.next_if(|snapshot| *snapshot < sequence) {
                self.snapshot(snapshot, verifier).await?;
            }
            // Listed and gone: truncation passed by. Else the next entry finds the gap.
            let Some(bytes) = bytes else { continue };
            verifier.verified.entries += 1;
            self.entry(sequence, &bytes, verifier);
            if verifier.verified.entries.is_multiple_of(ENTRIES_PER_WORD) {
                verifier.done("entries read", verifier.verified.entries, all);
            }
        }
        for snapshot in snapshots {
            self.snapshot(snapshot, verifier).await?;
        }
        Ok(self.state.map(|state| (state, self.named)))
    }

    fn entry(&mut self, sequence: Sequence, bytes: &Bytes, verifier: &mut Verifier<'_>) {
        let place = || verifier.lake.display_path(self.log.entry_path(sequence).as_ref());
        let before = self.last.replace((sequence, Digest::of(bytes)));
        let next = before.map_or(1, |(last, _)| last + 1);
        if let Some(state) = self.state.as_ref().filter(|state| state.sequence() + 1 != sequence) {
            let missing = state.sequence() + 1;
            self.state = None;
            let finding = if sequence <= self.boundary {
                Finding::EntriesDeleted { from: missing, to: sequence - 1 }
            } else {
                let place = verifier.lake.display_path(self.log.entry_path(missing).as_ref());
                Finding::EntryMissing { place, sequence: missing }
            };
            verifier.found(finding);
        }
        let outcome = match &mut self.state {
            Some(state) => state.fold(bytes, &Rules::all()),
            None => chained(before.filter(|_| next == sequence), sequence, bytes),
        };
        match outcome {
            Ok(Folded::Accepted(entry)) => self.name(&entry),
            Ok(Folded::Ignored(_, rejection)) => {
                verifier.found(Finding::EntryPassedOver { sequence, reason: rejection.to_string() });
            }
            Err(error) => {
                let reason = error.to_string();
                let finding = Finding::EntryUnusable { place: place(), sequence, reason };
                verifier.found(finding);
                self.state = None;
            }
        }
    }

    /// A snapshot is what the entries before it make; where they cannot be folded, it is where to go on.
    async fn snapshot(&mut self, sequence: Sequence, verifier: &mut Verifier<'_>) -> Result<(), LogError> {
        let Some(bytes) = self.log.snapshot(sequence).await? else { return Ok(()) };
        verifier.verified.snapshots += 1;
        let folded = self.state.as_ref().filter(|state| state.sequence() == sequence);
        let reason = match decode_snapshot(&bytes) {
            Err(error) => error.to_string(),
            Ok(snapshot) => match self.contradiction(sequence, &snapshot, &bytes) {
                Some(reason) => reason,
                None => {
                    if folded.is_none() {
                        self.state = Some(snapshot);
                    }
                    return Ok(());
                }
            },
        };
        let place = verifier.lake.display_path(self.log.snapshot_path(sequence).as_ref());
        let replaceable = folded.is_some();
        verifier.found(Finding::SnapshotUnusable { place, sequence, reason, replaceable });
        Ok(())
    }

    /// What the snapshot says that the entries do not.
    fn contradiction(&self, sequence: Sequence, snapshot: &LogState, bytes: &[u8]) -> Option<String> {
        if snapshot.sequence() != sequence {
            return Some(format!("it holds the state of entry {}", snapshot.sequence()));
        }
        // The first format kept less in a snapshot than is folded now.
        let is_of_first_format = bytes.starts_with(b"{\"format\":1,");
        let folded = self.state.as_ref().filter(|state| state.sequence() == sequence);
        let differs =
            |folded: &LogState| folded != snapshot && folded.without_breaks() != snapshot.without_breaks();
        if folded.is_some_and(differs) && !is_of_first_format {
            return Some(format!("it is not what the entries up to {sequence} make"));
        }
        let continues = snapshot.restored().get(&sequence).unwrap_or(&sequence);
        match self.last {
            Some((last, digest)) if last == *continues && snapshot.digest() != Some(digest) => {
                Some(format!("it continues another entry {last} than the one that is there"))
            }
            _ => None,
        }
    }

    fn name(&mut self, entry: &Entry) {
        let exchanges = match &entry.body {
            Body::Data(data) => {
                self.named.extend(data.files.iter().map(|file| (file.path.clone(), entry.sequence)));
                return;
            }
            Body::Replace(replace) => std::slice::from_ref(replace),
            Body::Replay(replay) => &replay.tables,
            Body::Control(_) => return,
        };
        for exchange in exchanges {
            for path in &exchange.removed {
                self.named.remove(path);
            }
            self.named.extend(exchange.added.iter().map(|file| (file.path.clone(), entry.sequence)));
        }
    }
}

/// An entry that cannot be folded still says its place and continues the entry `before` it, if that is there.
fn chained(
    before: Option<(Sequence, Digest)>,
    sequence: Sequence,
    bytes: &[u8],
) -> Result<Folded, FoldError> {
    let entry = decode_entry(bytes)?;
    if entry.sequence != sequence {
        return Err(FoldError::Misplaced { found: entry.sequence });
    }
    match before {
        Some((_, digest)) if entry.previous != Some(digest) => {
            Err(FoldError::Chain { expected: Some(digest), found: entry.previous })
        }
        _ => Ok(Folded::Accepted(entry)),
    }
}
