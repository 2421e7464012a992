//! Opens and closes tasks. Every position comes from the log; what the source cannot give any more is
//! written to the log as skipped before anything behind it is read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_model::TopicPartition;
use millstream_model::entry::{Body, ConsumedRange, Data, Position};

use super::coordinator::{Coordinator, Unopened};
use crate::checkpoint::AppendError;
use crate::error::RunError;
use crate::source::{PartitionReader, Remedy, SourceError};
use crate::task::{Purpose, TaskStart};
use crate::telemetry::{TaskGauge, Work};
use crate::worker::Command;

/// Time between two attempts to open a partition that the source does not give now.
const OPEN_INTERVAL: Duration = Duration::from_secs(1);
/// How long a partition may stay unopened before the run gives up.
const OPEN_PATIENCE: Duration = Duration::from_secs(60);

impl Coordinator<'_> {
    /// Opens partitions where the log says, and hands them to their threads. Those that the source does
    /// not give now are tried again later.
    pub(super) async fn open(&mut self, partitions: Vec<TopicPartition>) -> Result<(), RunError> {
        self.log.refresh().await?;
        self.note_log();
        let mut starts: BTreeMap<usize, Vec<TaskStart>> = BTreeMap::new();
        let mut answers = true;
        for partition in partitions {
            if !answers {
                // Each would cost the source's time-out.
                self.note_unopened(partition, "the source does not answer".to_owned());
                continue;
            }
            if let Some(reason) = self.waits(&partition.topic) {
                self.note_unopened(partition, reason);
                self.open_again = Instant::now() + OPEN_INTERVAL;
                continue;
            }
            let Some(plan) = self.plans.get(&partition.topic).cloned() else { continue };
            let (reader, position) = match self.open_reader(&partition).await {
                Ok(opened) => opened,
                Err(RunError::Source(error)) => {
                    answers = error.remedy() != Remedy::Retry;
                    self.not_opened(partition, error)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.unopened.remove(&partition);
            let gauge = Arc::new(TaskGauge::new(partition.clone(), position.offset));
            let figures = self.telemetry.stream(&plan.name);
            let figures = figures.expect("telemetry began with the plans of this run").clone();
            self.assigned.insert(partition.clone(), gauge.clone());
            // Co-numbered partitions of several topics meet on one thread.
            let thread = partition.partition.unsigned_abs() as usize % self.threads.len();
            let (sink, names) = (self.config.sink.clone(), self.names.clone());
            let epoch = self.log.state().epoch(&partition.topic);
            let watermarks = self.log.state().watermarks();
            let watermark = (watermarks.get(&partition).copied(), self.log.state().is_idle(&partition));
            starts.entry(thread).or_default().push(TaskStart {
                plan,
                purpose: Purpose::Run(reader),
                partition,
                position,
                epoch,
                watermark,
                sink,
                names,
                gauge,
                figures,
            });
        }
        for (thread, starts) in starts {
            self.send(thread, Command::Open(starts))?;
        }
        self.tell_assignment();
        Ok(())
    }

    /// Notes a partition to be opened later, if that may help.
    fn not_opened(&mut self, partition: TopicPartition, error: SourceError) -> Result<(), RunError> {
        match error.remedy() {
            Remedy::Retry | Remedy::Reopen => {
                let since = self.note_unopened(partition.clone(), error.to_string());
                if since.elapsed() >= OPEN_PATIENCE {
                    return Err(RunError::Source(error));
                }
                tracing::warn!(%partition, %error, "the partition cannot be opened; trying again");
                self.open_again = Instant::now() + OPEN_INTERVAL;
                Ok(())
            }
            Remedy::Forget => {
                tracing::info!(%partition, %error, "the partition is not ours any more");
                self.unopened.remove(&partition);
                Ok(())
            }
            Remedy::FixConfiguration | Remedy::FixData => Err(RunError::Source(error)),
        }
    }

    /// Gives the time since which the partition could not be opened.
    pub(super) fn note_unopened(&mut self, partition: TopicPartition, reason: String) -> Instant {
        let since = self.unopened.get(&partition).map_or_else(Instant::now, |unopened| unopened.since);
        self.unopened.insert(partition, Unopened { since, reason });
        since
    }

    /// A reader at the partition's position in the log. What the source no longer has is written to
    /// the log as skipped first.
    async fn open_reader(
        &mut self,
        partition: &TopicPartition,
    ) -> Result<(Box<dyn PartitionReader>, Position), RunError> {
        loop {
            let positions = self.log.state().positions();
            let position = positions.get(partition).cloned();
            if position.is_none() && positions.keys().any(|at| at.topic == partition.topic) {
                tracing::info!(%partition, "the lake knows the topic, but no offset of this partition: it may be new");
            }
            // A topic that was adopted is read from its first message, wherever others begin.
            let is_adopted = self.log.state().epoch(&partition.topic) > 0;
            let position = position.or(is_adopted.then_some(Position { offset: 0, cursor: None }));
            let (source, at) = (self.source.clone(), (partition.clone(), position.clone()));
            if let Some(given_up) = &mut self.opening {
                // What it gives is dropped, and its error comes again.
                let _ = given_up.await;
            }
            let opening = tokio::task::spawn_blocking(move || source.open(&at.0, at.1.as_ref()));
            let opened = self.opening.insert(opening).await;
            self.opening = None;
            let opened = opened.map_err(|error| RunError::Thread { what: error.to_string() })??;
            let Some(skipped) = opened.skipped else {
                return Ok((opened.reader, position.unwrap_or(Position { offset: 0, cursor: None })));
            };
            if !skipped.range.is_empty() {
                tracing::warn!(%partition, range = %skipped.range, reason = skipped.reason, "messages skipped");
            }
            let range = ConsumedRange {
                partition: partition.clone(),
                range: skipped.range,
                cursor: None,
                skipped: Some(skipped.reason),
            };
            let data =
                Data { source: self.source.identity().to_owned(), ranges: vec![range], ..Data::default() };
            let work = Work::of(&data);
            match self.log.append(Body::Data(data)).await {
                // Whoever wrote in between has moved the position: look again.
                Err(AppendError::Rejected(rejection))
                    if rejection.remedy() == millstream_log::Remedy::Reload =>
                {
                    self.log.refresh().await?
                }
                Ok(_) => self.telemetry.note_work(&work),
                Err(AppendError::Fenced) => self.log.refresh().await?,
                Err(error) => return Err(self.refused(error)),
            }
        }
    }

    /// Closes partitions that are not ours any more.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        self.close(partitions);
        // Whoever lost all its partitions is in the middle of a rebalance, not at the end of its work.
        self.assignment_known &= !(self.assigned.is_empty() && self.unopened.is_empty());
        self.tell_assignment();
    }

    /// Gives tasks up, with what they did since the last checkpoint.
    pub(super) fn close(&mut self, partitions: &[TopicPartition]) {
        self.assigned.retain(|partition, _| !partitions.contains(partition));
        self.unopened.retain(|partition, _| !partitions.contains(partition));
        for thread in &self.threads {
            thread.send(Command::Close(Some(partitions.to_vec())));
        }
    }

    /// Tells telemetry which partitions are read, and which are not though they should be.
    pub(super) fn tell_assignment(&self) {
        let unopened = self.unopened.iter().map(|(at, unopened)| (at.clone(), unopened.reason.clone()));
        self.telemetry.assign(self.assignment_known, &self.assigned, unopened);
    }

    pub(super) fn send(&self, thread: usize, command: Command) -> Result<(), RunError> {
        let sent = self.threads[thread].send(command);
        if sent {
            Ok(())
        } else {
            Err(RunError::Thread { what: format!("worker thread {thread} has ended") })
        }
    }

    /// Throws away what is not committed, and reads again from where the log says.
    pub(super) async fn begin_again(&mut self) -> Result<(), RunError> {
        let partitions: Vec<_> = self.assigned.keys().cloned().collect();
        self.close(&partitions);
        self.open(partitions).await
    }
}
