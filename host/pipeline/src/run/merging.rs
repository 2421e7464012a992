//! Answers the merging thread: what may be merged, and what became of what it did. An entry of it is one put
//! between two checkpoints, and of no concern to the tasks.

use millstream_log::Rejection;
use millstream_model::TopicPartition;
use millstream_model::entry::{Body, Replace};

use super::coordinator::Coordinator;
use crate::checkpoint::AppendError;
use crate::error::RunError;
use crate::merge::{self, MergeRequest, Verdict};

impl Coordinator<'_> {
    /// Answers the merging thread, which may have ended by the time that the answer is there.
    pub(super) async fn on_merge(&mut self, request: MergeRequest) -> Result<(), RunError> {
        match request {
            MergeRequest::Look(reply) => {
                let Some(settings) = &self.config.merge else { return Ok(()) };
                let groups = merge::groups(self.log.state(), settings, |topic| self.merges(topic));
                let _ = reply.send(groups);
            }
            MergeRequest::Append(replace, reply) => {
                let verdict = self.append_merge(replace).await?;
                let _ = reply.send(verdict);
            }
        }
        Ok(())
    }

    /// Of several workers the one that reads the lowest partition of a topic merges its files. For a moment two
    /// may think so, and then the log takes the entry of one of them.
    fn merges(&self, topic: &str) -> bool {
        let of_topic = |partition: &&TopicPartition| *partition.topic == *topic;
        let known = self.log.state().positions().keys().filter(of_topic);
        known.min().is_some_and(|lowest| self.assigned.contains_key(lowest))
    }

    async fn append_merge(&mut self, replace: Replace) -> Result<Verdict, RunError> {
        match self.log.append(Body::Replace(replace)).await {
            Ok(sequence) => {
                tracing::debug!(sequence, "merge");
                self.note_log();
                Ok(Verdict::Accepted)
            }
            Err(error @ AppendError::Rejected(Rejection::WriterNotOpen { .. })) => Err(self.refused(error)),
            Err(AppendError::Rejected(rejection)) => {
                tracing::debug!(%rejection, "merged files are not what the log has");
                Ok(Verdict::Rejected)
            }
            Err(AppendError::Fenced) => Ok(Verdict::Unknown),
            // The next checkpoint finds out whether the log is out of order for good.
            Err(error @ (AppendError::Log(_) | AppendError::NoSession)) => {
                tracing::warn!(%error, "whether merged files stand is not known");
                Ok(Verdict::Unknown)
            }
        }
    }
}
