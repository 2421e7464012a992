//! Upkeep of the log by whoever holds it: truncation, cleaning, raising the format. Each is an operation of
//! the protocol machine; what is asked for comes in, what was done goes out.

use std::time::Duration;

use millstream_log::{Outcome, Step};
use millstream_model::entry::{Body, Control, FORMAT, Sequence, SessionId};
use object_store::path::Path;

use super::{AppendError, CheckpointLog, refused};

/// What a cleaning did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Sessions that it closed.
    pub closed: Vec<SessionId>,
    /// Paths of the files that it deleted.
    pub deleted: Vec<String>,
}

impl CheckpointLog {
    /// Publishes a snapshot of the state and deletes older entries, but for the last `keep` before it.
    /// Returns the sequence of the snapshot, none if there was nothing to do.
    pub async fn truncate(&mut self, keep: u64) -> Result<Option<Sequence>, AppendError> {
        let (session, _) = self.session.clone().ok_or(AppendError::NoSession)?;
        self.settle().await?;
        let step = self.machine.truncate(&session, keep, self.clock.0.now_us());
        match self.drive(step).await? {
            Outcome::Truncated(boundary) => Ok(boundary),
            outcome => Err(refused(outcome)),
        }
    }

    /// Closes the earlier sessions of this worker's name, then cleans as [`CheckpointLog::clean`] does.
    pub async fn clean_closed_sessions(
        &mut self,
        tables: &[Path],
        replaced_kept: Duration,
    ) -> Result<Cleaned, AppendError> {
        let (session, worker) = self.session.clone().ok_or(AppendError::NoSession)?;
        self.refresh().await?;
        let earlier = self.state().earlier_sessions(&worker, &session);
        self.clean(earlier, tables, replaced_kept).await
    }

    /// Closes the sessions `close`, then deletes the files below `tables` that closed sessions left behind
    /// unaccepted, and those that were replaced longer ago than `replaced_kept`. Files are known by their
    /// names: `<table>/…/<session>-<number>.parquet`.
    pub async fn clean(
        &mut self,
        close: Vec<SessionId>,
        tables: &[Path],
        replaced_kept: Duration,
    ) -> Result<Cleaned, AppendError> {
        let (session, _) = self.session.clone().ok_or(AppendError::NoSession)?;
        self.settle().await?;
        self.store.set_tables(tables);
        let now_us = self.clock.0.now_us();
        let step = self.machine.clean(&session, close, before(now_us, replaced_kept), now_us);
        self.cleaned(step).await
    }

    /// Deletes the files that were replaced longer ago than `replaced_kept`, without listing what is there.
    pub async fn sweep_replaced(&mut self, replaced_kept: Duration) -> Result<Cleaned, AppendError> {
        let (session, _) = self.session.clone().ok_or(AppendError::NoSession)?;
        self.settle().await?;
        let now_us = self.clock.0.now_us();
        let step = self.machine.sweep(&session, before(now_us, replaced_kept), now_us);
        self.cleaned(step).await
    }

    /// True if files are known that were replaced longer ago than `replaced_kept`.
    pub fn has_replaced(&self, replaced_kept: Duration) -> bool {
        let before_us = before(self.clock.0.now_us(), replaced_kept);
        self.state().replaced().values().any(|at_us| *at_us < before_us)
    }

    /// Gives up upkeep that failed in the middle, so that the next entry need not wait for it. What was
    /// offered to the log stays and is settled with the next operation.
    pub fn abandon_upkeep(&mut self) {
        self.machine.abandon();
    }

    /// Raises the log to the format that this version writes, and publishes a snapshot in it. Workers of
    /// older versions stop at the next entry they read. The session opened for it is that of `worker`.
    pub async fn upgrade(&mut self, worker: &str) -> Result<Sequence, AppendError> {
        self.open_session_as_is(worker).await?;
        let raised = self.append(Body::Control(Control::Upgraded { format: FORMAT })).await?;
        self.truncate(u64::MAX).await?;
        Ok(raised)
    }

    /// Closes the session that is open here, behind which nothing may be written under it any more.
    pub async fn close_session(&mut self) -> Result<(), AppendError> {
        let (session, _) = self.session.clone().ok_or(AppendError::NoSession)?;
        self.append(Body::Control(Control::SessionClosed { session })).await?;
        self.session = None;
        Ok(())
    }

    async fn cleaned(&mut self, step: Step) -> Result<Cleaned, AppendError> {
        match self.drive(step).await? {
            Outcome::Cleaned { closed, deleted } => Ok(Cleaned { closed, deleted }),
            outcome => Err(refused(outcome)),
        }
    }
}

/// The moment `kept` before `now_us`, in microseconds since the epoch.
fn before(now_us: i64, kept: Duration) -> i64 {
    now_us.saturating_sub(i64::try_from(kept.as_micros()).unwrap_or(i64::MAX))
}
