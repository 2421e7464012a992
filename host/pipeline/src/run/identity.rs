//! Makes sure, while a run goes on, that the log is still this worker's to write and that its offsets are
//! still those of the topics at hand.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use millstream_model::entry::{Body, Control};

use super::coordinator::Coordinator;
use crate::checkpoint::{AppendError, LogError};
use crate::error::RunError;
use crate::identity;

/// Time between two looks at the log of a worker that commits nothing: others may have changed its plugins.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long such a look may hold up everything else.
const LOOK_WAIT_MAX: Duration = Duration::from_secs(2);

impl Coordinator<'_> {
    /// Looks, now and then, whether another process of this name has taken over: one that commits hears of
    /// it by that. A store that does not answer now will be asked again.
    pub(super) async fn look_at_log(&mut self) -> Result<(), RunError> {
        if self.looked.elapsed() < LOOK_INTERVAL {
            return Ok(());
        }
        self.looked = Instant::now();
        match self.refresh_if_reachable().await? && !self.is_open() {
            true => Err(self.ended()),
            false => Ok(()),
        }
    }

    /// Reads the log to its head; false if the store does not answer now.
    pub(super) async fn refresh_if_reachable(&mut self) -> Result<bool, RunError> {
        match tokio::time::timeout(LOOK_WAIT_MAX, self.log.refresh()).await {
            Ok(Ok(())) => {}
            Ok(Err(LogError::Store { .. })) | Err(_) => {
                tracing::warn!("the checkpoint log was not looked at: the lake does not answer");
                return Ok(false);
            }
            Ok(Err(error)) => return Err(error.into()),
        }
        self.note_log();
        Ok(true)
    }

    /// Compares the topics at hand with those that the log's offsets are of, and binds the log to those that
    /// it does not know yet.
    pub(super) async fn recognise(&mut self) -> Result<(), RunError> {
        let Some(ids) = self.topic_ids().await? else { return Ok(()) };
        self.log.refresh().await?;
        self.still_the_same(Some(&ids)).await
    }

    /// As [`Coordinator::recognise`], behind what was read and before it is committed: a topic that still has
    /// its id is the one that was read. `ids` are those of now.
    pub(super) async fn still_the_same(
        &mut self,
        ids: Option<&BTreeMap<String, String>>,
    ) -> Result<(), RunError> {
        let Some(ids) = ids else { return Ok(()) };
        let unbound = identity::unbound(self.log.state(), ids, self.config.lake_url.as_str())?;
        if unbound.is_empty() {
            return Ok(());
        }
        let source = self.source.identity().to_owned();
        let bind = Control::SourceBound { source, topics: unbound };
        match self.log.append(Body::Control(bind)).await {
            // If it does not stand, the next commit tries again.
            Ok(_) | Err(AppendError::Fenced) => Ok(()),
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Ids of the topics; none if no broker answers, in which case nothing is read either.
    pub(super) async fn topic_ids(&self) -> Result<Option<BTreeMap<String, String>>, RunError> {
        let source = self.source.clone();
        let ids = tokio::task::spawn_blocking(move || source.topic_ids()).await;
        match ids.map_err(|error| RunError::Thread { what: error.to_string() })? {
            Ok(ids) => Ok(Some(ids)),
            Err(error) => {
                tracing::warn!(%error, "whether the topics are still the same is not known");
                Ok(None)
            }
        }
    }
}
