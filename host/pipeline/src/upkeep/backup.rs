//! A copy of a lake as it was at one entry, while workers go on writing to it. The copy is a lake itself:
//! files first, then a snapshot of the log, which makes them all true at once, then entries for people to
//! look at. A copy that was interrupted is the earlier backup still, or no lake at all, and is taken up by the next.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use millstream_log::{LogState, encode_snapshot};
use millstream_model::Clock;
use millstream_model::entry::Sequence;
use object_store::path::Path;
use object_store::{Error, PutMode};

pub use super::contents::Copied;
use super::contents::{self, COPIES_AT_ONCE, CopyError, failed};
use super::copy::Copier;
use super::error::UpkeepError;
use super::{Done, inventory, open_log};
use crate::checkpoint::{CheckpointLog, LogStore, RetryPolicy};
use crate::lake::Lake;
use crate::start::LOG_FOLDER;

/// How often a backup begins again at a newer entry because files were cleaned away under it.
const ROUNDS_MAX: u32 = 5;

/// What a backup made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// Last entry of the lake that it holds.
    pub head: Sequence,
    /// Files that were copied, plugins included.
    pub copied: Copied,
    /// Entries that were copied.
    pub entries: u64,
    /// Files of an earlier backup that this one does not need and that were deleted.
    pub deleted: u64,
}

/// Copies `lake` to `to`, which is empty or holds an earlier backup of it.
pub async fn backup(
    lake: &Lake,
    to: &Lake,
    clock: Arc<dyn Clock>,
    observe: &mut dyn FnMut(Done),
) -> Result<BackedUp, UpkeepError> {
    let copier = Copier::new(lake, to)?;
    let earlier = open_log(to, clock.clone()).await?.state().clone();
    let mut missed = None;
    for _ in 0..ROUNDS_MAX {
        // Read before the log, so that it is never ahead of it.
        let progress = inventory::projections(lake).await?;
        let log = open_log(lake, clock.clone()).await?;
        if log.state().sequence() == 0 {
            return Err(UpkeepError::NoLog { lake: lake.url().to_owned() });
        }
        continues(&copier, &log, &earlier).await?;
        match contents::bring(&copier, log.state(), progress, observe).await {
            Ok(copied) => return finish(&copier, log.state(), &earlier, copied, observe).await,
            Err(CopyError::Failed(error)) => return Err(error),
            // Gone without the log having moved: nobody replaced it.
            Err(CopyError::Gone(path)) if missed == Some((path.clone(), log.state().sequence())) => {
                let lake = lake.url().to_owned();
                return Err(UpkeepError::Damaged { path, lake, what: "is missing".to_owned() });
            }
            Err(CopyError::Gone(path)) => missed = Some((path, log.state().sequence())),
        }
    }
    let path = missed.map(|(path, _)| path).unwrap_or_default();
    Err(UpkeepError::Restless { lake: lake.url().to_owned(), rounds: ROUNDS_MAX, path })
}

/// Refuses a destination that holds something else than an earlier state of the same log.
async fn continues(copier: &Copier, log: &CheckpointLog, earlier: &LogState) -> Result<(), UpkeepError> {
    let at = earlier.sequence();
    let other = |what: String| UpkeepError::OtherBackup {
        to: copier.to.url().to_owned(),
        what,
        lake: copier.from.url().to_owned(),
    };
    let state = log.state();
    if at > state.sequence() {
        return Err(other(format!("entries up to {at}, and the lake ends at {}", state.sequence())));
    }
    let digest = match at == state.sequence() {
        true => state.digest(),
        false => log.digest(at).await?,
    };
    let is_known = earlier.sessions().keys().all(|session| state.sessions().contains_key(session));
    match (digest, earlier.digest()) {
        (Some(ours), Some(theirs)) if ours != theirs => Err(other(format!("another entry {at}"))),
        _ if !is_known => Err(other("sessions that the lake does not know".to_owned())),
        _ => Ok(()),
    }
}

async fn finish(
    copier: &Copier,
    state: &LogState,
    earlier: &LogState,
    copied: Copied,
    observe: &mut dyn FnMut(Done),
) -> Result<BackedUp, UpkeepError> {
    publish(copier, state).await?;
    let entries = bring_entries(copier, state.sequence(), observe).await?;
    let deleted = prune(copier, state, earlier).await?;
    Ok(BackedUp { head: state.sequence(), copied, entries, deleted })
}

/// Makes the copy a lake at `state`. Every snapshot of an entry is the same, so one that is there will do.
pub(super) async fn publish(copier: &Copier, state: &LogState) -> Result<(), UpkeepError> {
    let path = log_of(&copier.to).snapshot_path(state.sequence());
    let store = copier.to.store();
    match store.put_opts(&path, encode_snapshot(state).into(), PutMode::Create.into()).await {
        Ok(_) | Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(()),
        Err(source) => Err(failed(copier, format!("create `{path}`"), source)),
    }
}

/// Copies the entries up to `head` that are not there yet. Readers begin at the snapshot; these are for people.
pub(super) async fn bring_entries(
    copier: &Copier,
    head: Sequence,
    observe: &mut dyn FnMut(Done),
) -> Result<u64, UpkeepError> {
    let (source, target) = (log_of(&copier.from), log_of(&copier.to));
    let present = target.sequences(0).await?;
    let wanted = source.sequences(0).await?.into_iter().filter(|sequence| *sequence <= head);
    let missing: Vec<_> = wanted.filter(|n| present.binary_search(n).is_err()).collect();
    let of = missing.len() as u64;
    let paths = missing.into_iter().map(|sequence| source.entry_path(sequence));
    let copies = stream::iter(paths).map(|path| async move {
        match copier.copy(&path).await {
            // Truncation passed by.
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(copier, format!("copy `{path}`"), error)),
        }
    });
    let mut copies = std::pin::pin!(copies.buffer_unordered(COPIES_AT_ONCE));
    let mut done = 0;
    while copies.try_next().await?.is_some() {
        done += 1;
        observe(Done { what: "entries copied", done, of });
    }
    Ok(of)
}

/// Deletes what an earlier backup held and this one does not: snapshots, entries that the lake has deleted,
/// files that were live then and are not now.
async fn prune(copier: &Copier, state: &LogState, earlier: &LogState) -> Result<u64, UpkeepError> {
    let (source, target) = (log_of(&copier.from), log_of(&copier.to));
    let files = earlier.files().values().flat_map(|files| files.keys());
    let stale: Vec<_> =
        files.filter(|path| !state.is_live(path)).map(|path| Path::from(path.as_str())).collect();
    let deleted = stale.len() as u64;
    let first = source.sequences(0).await?.first().copied().unwrap_or(0);
    let entries = target.sequences(0).await?.into_iter().filter(|sequence| *sequence < first);
    let snapshots = target.snapshots().await?.into_iter().filter(|sequence| *sequence < state.sequence());
    let entries = entries.map(|sequence| target.entry_path(sequence));
    let snapshots = snapshots.map(|sequence| target.snapshot_path(sequence));
    delete(copier, snapshots.chain(entries).chain(stale).collect()).await?;
    Ok(deleted)
}

/// Deletes objects of the lake that is written; one that is gone is no error.
pub(super) async fn delete(copier: &Copier, paths: Vec<Path>) -> Result<(), UpkeepError> {
    let store = copier.to.store();
    let mut deletions = store.delete_stream(stream::iter(paths).map(Ok).boxed());
    while let Some(deletion) = deletions.next().await {
        match deletion {
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(source) => return Err(failed(copier, "delete what is not needed".to_owned(), source)),
        }
    }
    Ok(())
}

pub(super) fn log_of(lake: &Lake) -> LogStore {
    LogStore::new(lake.store(), Path::from(LOG_FOLDER), RetryPolicy::default())
}
