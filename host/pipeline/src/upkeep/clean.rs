//! Files of a lake that no entry names: which they are, whose, and whether they may go. Deleting goes
//! through the protocol, which looks again: a dry list is for people.

use std::time::Duration;

use millstream_log::LogState;
use millstream_log::state::session_of;
use millstream_model::entry::SessionId;

use super::error::UpkeepError;
use super::inventory::{self, Sizes};
use crate::checkpoint::{CheckpointLog, Cleaned};
use crate::lake::Lake;

/// Name under which cleaning writes to the log.
const WORKER: &str = "millstream tables clean";

/// A file that is no live part of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Path below the lake's root.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Session that wrote it, by its name.
    pub session: Option<SessionId>,
    /// Worker of that session, if the log knows it.
    pub worker: Option<String>,
    /// Whether it may go, and why.
    pub fate: Fate,
}

/// What becomes of a [`Leftover`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// May go: its session is closed, so no entry can name it any more.
    SessionClosed,
    /// May go: its session is to be closed first.
    SessionClosing,
    /// May go: it was replaced so long ago that no reader has it open.
    Replaced,
    /// Stays: it was replaced, and a reader may have it open.
    ReplacedLately,
    /// Stays: its session is open and may name it yet.
    SessionOpen,
    /// Stays: the log knows no such session, so it is not a worker's.
    Unknown,
}

impl Fate {
    /// True if the file may be deleted.
    pub fn may_go(self) -> bool {
        matches!(self, Self::SessionClosed | Self::SessionClosing | Self::Replaced)
    }

    /// The reason, for people.
    pub fn reason(self) -> &'static str {
        match self {
            Self::SessionClosed => "no entry names it and its session is closed",
            Self::SessionClosing => "no entry names it and its session is to be closed",
            Self::Replaced => "it was replaced and no reader has it open any more",
            Self::ReplacedLately => "it was replaced, and readers may still have it open",
            Self::SessionOpen => "its session is open and may name it yet",
            Self::Unknown => "it is no file of a worker of this lake",
        }
    }
}

/// The files in `lake` that are not live, in the order of their paths. Those of the sessions `closing` are
/// judged as if these were closed; replaced files stay for `replaced_kept` before `now_us`.
pub async fn leftovers(
    lake: &Lake,
    state: &LogState,
    closing: &[SessionId],
    now_us: i64,
    replaced_kept: Duration,
) -> Result<Vec<Leftover>, UpkeepError> {
    let before_us = now_us.saturating_sub(i64::try_from(replaced_kept.as_micros()).unwrap_or(i64::MAX));
    let files = inventory::table_files(lake).await?;
    Ok(judge(state, files, closing, before_us))
}

fn judge(state: &LogState, files: Sizes, closing: &[SessionId], before_us: i64) -> Vec<Leftover> {
    let leftovers = files.into_iter().filter(|(path, _)| !state.is_live(path));
    let leftovers = leftovers.map(|(path, bytes)| {
        let session = session_of(&path);
        let known = session.as_ref().and_then(|session| state.sessions().get(session));
        let fate = match (known, &session) {
            _ if state.is_garbage(&path, before_us) && state.replaced().contains_key(&path) => Fate::Replaced,
            _ if state.is_garbage(&path, before_us) => Fate::SessionClosed,
            _ if state.replaced().contains_key(&path) => Fate::ReplacedLately,
            (Some(_), Some(session)) if closing.contains(session) => Fate::SessionClosing,
            (Some(_), _) => Fate::SessionOpen,
            (None, _) => Fate::Unknown,
        };
        Leftover { worker: known.map(|known| known.worker.clone()), path, bytes, session, fate }
    });
    leftovers.collect()
}

/// Closes the sessions `close`, then deletes every file that may go. Writes to the log under a session of
/// its own, which is closed in the end.
pub async fn clean(
    lake: &Lake,
    log: &mut CheckpointLog,
    close: Vec<SessionId>,
    replaced_kept: Duration,
) -> Result<Cleaned, UpkeepError> {
    let folders = inventory::table_folders(lake).await?;
    log.open_session(WORKER).await?;
    let cleaned = log.clean(close, &folders, replaced_kept).await?;
    log.close_session().await?;
    Ok(cleaned)
}

/// Open sessions of `worker`, and when the last of them wrote, in microseconds since the epoch, by its own
/// clock.
pub fn open_sessions(state: &LogState, worker: &str) -> (Vec<SessionId>, Option<i64>) {
    let of_worker = || state.sessions().iter().filter(|(_, s)| !s.is_closed() && s.worker == worker);
    let ids = of_worker().map(|(id, _)| id.clone()).collect();
    (ids, of_worker().map(|(_, session)| session.last_at_us).max())
}
