//! Gives partitions away: what was read of them is committed in the time there is, or thrown away. A worker
//! whose store hangs must not keep its partitions from those whose store does not.

use std::time::Instant;

use millstream_model::TopicPartition;

use super::coordinator::Coordinator;
use crate::error::RunError;
use crate::source::Acknowledgement;
use crate::worker::Command;

impl Coordinator<'_> {
    /// Commits what was read; false if that was not done by `until` and has been given up. Whether the entry
    /// stands is not known then: the next use of the log finds out.
    pub(super) async fn commit_until(&mut self, until: Instant) -> Result<bool, RunError> {
        let committed = tokio::time::timeout_at(until.into(), self.checkpoint(Command::Barrier)).await;
        committed.map_or(Ok(false), |outcome| outcome.map(|()| true))
    }

    /// Gives `partitions` away without a commit. What all tasks did since the last one went with the
    /// checkpoint that was given up, so those that stay begin again at the log.
    pub(super) async fn discard(
        &mut self,
        partitions: &[TopicPartition],
        done: Acknowledgement,
    ) -> Result<(), RunError> {
        tracing::warn!("not committed in time; what was read since the last checkpoint is discarded");
        self.telemetry.count_discard();
        let kept: Vec<_> = self.assigned.keys().filter(|at| !partitions.contains(at)).cloned().collect();
        self.close(&kept);
        self.forget(partitions);
        done.done();
        self.open(kept).await
    }
}
