//! Makes what the tasks did since the last checkpoint true: a barrier through all threads, all files
//! durable, one entry of the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use millstream_log::state::Session;
use millstream_log::{Rejection, Remedy};
use millstream_model::entry::{Body, ConsumedRange, Data, Sequence};
use millstream_model::{Offset, TopicPartition};
use tokio::sync::oneshot;

use super::coordinator::Coordinator;
use crate::checkpoint::AppendError;
use crate::error::RunError;
use crate::task::TaskReport;
use crate::telemetry::{Arrivals, Work};
use crate::worker::Command;

impl Coordinator<'_> {
    /// A checkpoint, unless the log desires other plugins than those that run: what they made meanwhile is
    /// committed when they are exchanged.
    pub(super) async fn checkpoint_if_due(&mut self) -> Result<(), RunError> {
        self.last_checkpoint = Instant::now();
        if self.standing.is_in_line(&self.log) { self.checkpoint(Command::Barrier).await } else { Ok(()) }
    }

    /// Makes all that was done since the last checkpoint true with one entry, or finds that another
    /// worker was faster, throws it away and begins again at the log.
    pub(super) async fn checkpoint(
        &mut self,
        barrier: fn(oneshot::Sender<Vec<TaskReport>>) -> Command,
    ) -> Result<(), RunError> {
        self.last_checkpoint = Instant::now();
        let began = self.last_checkpoint;
        let mut replies = Vec::new();
        for thread in 0..self.threads.len() {
            let (reply, reports) = oneshot::channel();
            self.send(thread, barrier(reply))?;
            replies.push(reports);
        }
        let mut reports = Vec::new();
        for reply in replies {
            let ended = |_| RunError::Thread { what: "a worker thread ended at a checkpoint".to_owned() };
            reports.extend(reply.await.map_err(ended)?);
        }
        self.commit(reports, began).await.map(drop)
    }

    /// Makes what the reports of a barrier say true with one entry; false if another worker was faster, and all
    /// has begun again. The barrier was sent at `began`.
    pub(super) async fn commit(
        &mut self,
        mut reports: Vec<TaskReport>,
        began: Instant,
    ) -> Result<bool, RunError> {
        reports.retain(|report| report.has_news() && self.assigned.contains_key(&report.partition));
        if reports.is_empty() {
            return Ok(true);
        }
        let arrivals = arrivals(&mut reports);
        let (data, ids) = tokio::join!(self.entry(reports), self.topic_ids());
        let data = data?;
        self.still_the_same(ids?.as_ref()).await?;
        let (positions, work) = (positions(&data), Work::of(&data));
        match self.log.append(Body::Data(data)).await {
            Ok(sequence) => {
                self.telemetry.checkpoints.accepted(began.elapsed());
                self.telemetry.note_latencies(&arrivals);
                self.telemetry.note_work(&work);
                self.committed(sequence, &positions);
                return Ok(true);
            }
            Err(AppendError::Rejected(rejection)) if rejection.remedy() == Remedy::Reload => {
                tracing::warn!(%rejection, "another worker was faster; beginning again at the log");
                self.telemetry.checkpoints.lost_race();
            }
            // The state is a new one, in which the session may be over.
            Err(AppendError::Fenced) if !self.is_open() => return Err(self.ended()),
            Err(AppendError::Fenced) => {
                tracing::warn!("this worker fell behind the log's retention; beginning again at the log");
            }
            Err(error) => return Err(self.refused(error)),
        }
        self.begin_again().await.map(|()| false)
    }

    /// Why the run ends if the log does not take an entry of it.
    pub(super) fn refused(&self, error: AppendError) -> RunError {
        match error {
            AppendError::Rejected(Rejection::WriterNotOpen { .. }) => self.ended(),
            error => RunError::Refused(error),
        }
    }

    /// True if this run may still write.
    pub(super) fn is_open(&self) -> bool {
        self.log.session().is_some_and(|session| self.log.state().is_open(session))
    }

    /// Why this run's session is over.
    pub(super) fn ended(&self) -> RunError {
        let (state, worker) = (self.log.state(), &self.config.worker.name);
        let Some(id) = self.log.session().filter(|id| !state.ended_by_restore(id)) else {
            return RunError::Restored;
        };
        let ours = state.sessions().get(id);
        let is_later = |session: &Session| ours.is_some_and(|ours| session.opened > ours.opened);
        let mut sessions = state.sessions().values();
        match sessions.any(|session| session.worker == *worker && is_later(session)) {
            true => RunError::TakenOver { worker: worker.clone() },
            false => RunError::SessionClosed { entry: ours.and_then(|ours| ours.closed).unwrap_or_default() },
        }
    }

    async fn entry(&self, reports: Vec<TaskReport>) -> Result<Data, RunError> {
        let mut data = Data { source: self.source.identity().to_owned(), ..Data::default() };
        for report in reports {
            data.watermarks.extend(report.watermark);
            if report.range.is_empty() {
                continue;
            }
            for file in report.files {
                data.files.push(file.finish().await?);
            }
            data.plugins.extend(report.plan.plugins());
            data.counters.entry(report.stream.to_string()).or_default().add(&report.counters);
            data.ranges.push(ConsumedRange {
                partition: report.partition,
                range: report.range,
                cursor: report.cursor,
                skipped: None,
            });
        }
        data.plugins.sort();
        data.plugins.dedup();
        Ok(data)
    }

    fn committed(&mut self, sequence: Sequence, positions: &[(TopicPartition, Offset)]) {
        tracing::debug!(sequence, "checkpoint");
        self.note_log();
        self.looked = Instant::now();
        // Kafka's committed offsets are a hint for tools that show lag; the log is what counts.
        if let Err(error) = self.source.commit(positions) {
            tracing::warn!(%error, "the source did not take the committed positions");
        }
    }
}

/// When the messages of the reports were produced, by stream.
fn arrivals(reports: &mut [TaskReport]) -> BTreeMap<Arc<str>, Arrivals> {
    let mut arrivals: BTreeMap<_, Arrivals> = BTreeMap::new();
    for report in reports {
        arrivals.entry(report.stream.clone()).or_default().merge(std::mem::take(&mut report.arrivals));
    }
    arrivals
}

fn positions(data: &Data) -> Vec<(TopicPartition, Offset)> {
    data.ranges.iter().map(|range| (range.partition.clone(), range.range.end)).collect()
}
