//! Gives partitions away: what was read of them is committed in the time there is, or thrown away. A worker
//! whose store hangs must not keep its partitions from those whose store does not.

use std::time::Instant;

use millstream_model::TopicPartition;

use super::coordinator::Coordinator;
use crate::error::RunError;
use crate::source::Acknowledgement;
use crate::worker::Command;

impl Coordinator<'_> {
    /// Gives `partitions` away, with what was read of them committed by `until`; none: it is not to be committed.
    pub(super) async fn give_away(
        &mut self,
        partitions: &[TopicPartition],
        until: Option<Instant>,
        done: Acknowledgement,
    ) -> Result<(), RunError> {
        // Before the commit, which may be given up in the middle of closing and opening them.
        let held = self.assigned.keys().chain(self.unopened.keys());
        let kept: Vec<_> = held.filter(|held| !partitions.contains(held)).cloned().collect();
        let is_settled = match until {
            Some(until) => self.commit_until(until).await?,
            None => true,
        };
        if is_settled {
            self.forget(partitions);
            done.done();
            return Ok(());
        }
        tracing::warn!("not committed in time; what was read since the last checkpoint is discarded");
        self.telemetry.count_discard();
        let known = self.assignment_known;
        self.close(&kept);
        self.forget(partitions);
        // Those that are kept are only closed for a moment, and the source will not name them again.
        self.assignment_known = known && !kept.is_empty();
        done.done();
        // What they did since the last commit went with the one that was given up.
        if kept.is_empty() { Ok(()) } else { self.open(kept).await }
    }

    /// Commits what was read; false if that was not done by `until` and has been given up. Whether the entry
    /// stands is not known then: the next use of the log finds out.
    async fn commit_until(&mut self, until: Instant) -> Result<bool, RunError> {
        let committed = tokio::time::timeout_at(until.into(), self.checkpoint(Command::Barrier)).await;
        committed.map_or(Ok(false), |outcome| outcome.map(|()| true))
    }
}
