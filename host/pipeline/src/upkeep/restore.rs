//! Brings a backup back as a lake. Files are copied first; then one snapshot makes the state of the backup
//! that of the place, whatever was there. Its number is far behind every entry that was written there, so a
//! worker that still writes is fenced by it, as by any truncation, and finds that its session has ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_log::state::Session;
use millstream_model::Clock;
use millstream_model::entry::{Sequence, SessionId};

use super::backup::{bring_entries, delete, log_of, publish};
use super::contents::{self, Copied, CopyError};
use super::copy::Copier;
use super::error::UpkeepError;
use super::{Done, inventory, open_log};
use crate::lake::Lake;

/// What a restore made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Last entry of the backup.
    pub from: Sequence,
    /// Number that the log goes on at.
    pub at: Sequence,
    /// Last entry that was there before and is not part of the lake any more; 0 if there was no lake.
    pub abandoned: Sequence,
    /// Files that were copied, plugins included.
    pub copied: Copied,
}

/// Restores the backup `from` at `to`. Unless `force`, nothing may have been committed there.
///
/// The log goes on at positions of the backup, so what came after them is read from the source once more.
pub async fn restore(
    from: &Lake,
    to: &Lake,
    force: bool,
    clock: Arc<dyn Clock>,
    observe: &mut dyn FnMut(Done),
) -> Result<Restored, UpkeepError> {
    let copier = Copier::new(from, to)?;
    let progress = inventory::projections(from).await?;
    let state = open_log(from, clock.clone()).await?.state().clone();
    if state.sequence() == 0 {
        return Err(UpkeepError::NoLog { lake: from.url().to_owned() });
    }
    let head = head(to).await?;
    if head > 0 && !force {
        let (to, from) = (to.url().to_owned(), state.sequence());
        return Err(UpkeepError::Occupied { to, head, from });
    }
    to.probe().await?;
    let copied = match contents::bring(&copier, &state, progress, observe).await {
        Ok(copied) => copied,
        Err(CopyError::Failed(error)) => return Err(error),
        Err(CopyError::Gone(path)) => {
            let lake = from.url().to_owned();
            return Err(UpkeepError::Damaged { path, lake, what: "is missing".to_owned() });
        }
    };
    let from = state.sequence();
    let sessions = sessions(to, clock).await;
    let abandoned = self::head(to).await?;
    let state = state.restore(abandoned, &sessions);
    let at = state.sequence();
    publish(&copier, &state).await?;
    replace_entries(&copier, from, at, observe).await?;
    Ok(Restored { from, at, abandoned, copied })
}

/// The highest number that an entry or a snapshot has at a place, sound or not.
async fn head(lake: &Lake) -> Result<Sequence, UpkeepError> {
    let log = log_of(lake);
    let (entry, snapshot) = (log.sequences(0).await?.pop(), log.snapshots().await?.pop());
    Ok(entry.max(snapshot).unwrap_or(0))
}

/// Sessions of what was there, so that their files can be cleaned away. A log that cannot be read is no
/// obstacle: it is why one restores.
async fn sessions(lake: &Lake, clock: Arc<dyn Clock>) -> BTreeMap<SessionId, Session> {
    match open_log(lake, clock).await {
        Ok(log) => log.state().sessions().clone(),
        Err(error) => {
            tracing::warn!(%error, "the log that was there cannot be read: files of its workers that the backup \
                does not know are left behind");
            BTreeMap::new()
        }
    }
}

/// Puts the entries of the backup where those of the abandoned history were: for people, since nobody
/// reads entries before the snapshot.
async fn replace_entries(
    copier: &Copier,
    from: Sequence,
    at: Sequence,
    observe: &mut dyn FnMut(Done),
) -> Result<(), UpkeepError> {
    let (source, target) = (log_of(&copier.from), log_of(&copier.to));
    let mut stale = Vec::new();
    for sequence in target.sequences(0).await?.into_iter().filter(|sequence| *sequence < at) {
        let is_same = sequence <= from && target.entry(sequence).await? == source.entry(sequence).await?;
        if !is_same {
            stale.push(target.entry_path(sequence));
        }
    }
    let snapshots = target.snapshots().await?.into_iter().filter(|sequence| *sequence < at);
    stale.extend(snapshots.map(|sequence| target.snapshot_path(sequence)));
    delete(copier, stale).await?;
    bring_entries(copier, from, observe).await.map(drop)
}
