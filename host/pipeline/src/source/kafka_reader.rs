//! Reads one partition's queue. Taking a message from it is what makes librdkafka fetch more, so a
//! reader that is not polled costs at most the prefetch limit.
//!
//! Positions without a message (compaction, transaction markers, aborted transactions) are passed
//! when the next message comes; at the very end of a partition they stay in front of the position, and
//! librdkafka's event for the end says that nothing else is there.

use std::sync::Arc;
use std::time::Duration;

use millstream_model::entry::Position;
use millstream_model::{Header, MessageBatch, MessageRef, Offset, TopicPartition};
use rdkafka::Message;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers};

use super::kafka_partitions::{Gate, Partitions, Queue, failed, lock};
use super::{FillLimits, PartitionReader, SourceError};

/// Reads one partition. Fields are dropped in this order: the queue before its client.
pub(super) struct KafkaReader {
    queue: Queue,
    partitions: Arc<Partitions>,
    gate: Gate,
    partition: TopicPartition,
    next: Offset,
    /// A message came, and with it news of where the partition ends.
    begun: bool,
    /// All that was there has been read, and no message came since.
    at_end: bool,
    /// The partition does not have `next`; librdkafka has stopped fetching it.
    out_of_range: bool,
}

impl KafkaReader {
    /// Reads `partition` from `next` on, where its queue begins.
    pub(super) fn new(
        queue: Queue,
        partitions: Arc<Partitions>,
        gate: Gate,
        partition: TopicPartition,
        next: Offset,
    ) -> Self {
        Self { queue, partitions, gate, partition, next, begun: false, at_end: false, out_of_range: false }
    }

    fn take(
        &mut self,
        batch: &mut MessageBatch,
        limits: FillLimits,
        wait: Duration,
    ) -> Result<(), SourceError> {
        let mut wait = wait;
        while !limits.reached(batch) {
            match self.queue.poll(wait) {
                None => break,
                Some(Ok(message)) if message.offset() < self.next => {
                    // The log was cut and written again behind our back.
                    let (partition, position) = (self.partition.clone(), self.next);
                    return Err(SourceError::Ahead { partition, position, end: message.offset() });
                }
                Some(Ok(message)) => {
                    push(batch, &message);
                    self.next = message.offset() + 1;
                    (self.begun, self.at_end) = (true, false);
                }
                Some(Err(error)) => self.on_error(&error)?,
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    /// The client mends most errors itself, by trying again.
    fn on_error(&mut self, error: &KafkaError) -> Result<(), SourceError> {
        match error {
            KafkaError::PartitionEOF(_) => {
                self.at_end = true;
                Ok(())
            }
            KafkaError::MessageConsumptionFatal(_) => Err(failed(format!("read {}", self.partition), error)),
            _ if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) => {
                self.out_of_range = true;
                Err(self.out_of_range())
            }
            _ => {
                tracing::warn!(partition = %self.partition, %error, "kafka");
                Ok(())
            }
        }
    }

    fn out_of_range(&self) -> SourceError {
        let (partition, position) = (self.partition.clone(), self.next);
        match self.partitions.watermarks(&partition) {
            Err(error) => error,
            Ok((_, end)) if end < position => SourceError::Ahead { partition, position, end },
            Ok((low, _)) => SourceError::Expired { partition, position, low },
        }
    }
}

impl PartitionReader for KafkaReader {
    fn fill(
        &mut self,
        batch: &mut MessageBatch,
        limits: FillLimits,
        wait: Duration,
    ) -> Result<(), SourceError> {
        let gate = self.gate.clone();
        let closed = lock(&gate);
        if *closed {
            return Err(SourceError::NotAssigned { partition: self.partition.clone() });
        }
        if self.out_of_range {
            return Err(self.out_of_range());
        }
        let wait = if batch.is_empty() { wait } else { Duration::ZERO };
        self.take(batch, limits, wait)
    }

    fn position(&self) -> Position {
        Position { offset: self.next, cursor: None }
    }

    fn end_offset(&self) -> Option<Offset> {
        match self.at_end {
            true => Some(self.next),
            // What was heard before the partition was opened (again) says only that there is more.
            false => self.partitions.cached_end(&self.partition).filter(|end| self.begun || *end > self.next),
        }
    }
}

/// Adds a message to a batch.
pub(super) fn push(batch: &mut MessageBatch, message: &BorrowedMessage<'_>) {
    let headers: Vec<Header> = message.headers().map_or_else(Vec::new, |headers| {
        let header = |header: rdkafka::message::Header<'_, &[u8]>| Header {
            key: header.key.to_owned(),
            value: header.value.map(<[u8]>::to_vec),
        };
        headers.iter().map(header).collect()
    });
    batch
        .push(MessageRef {
            offset: message.offset(),
            timestamp_us: message.timestamp().to_millis().map(|millis| millis.saturating_mul(1000)),
            key: message.key(),
            value: message.payload(),
            headers: &headers,
        })
        .expect("the limit on bytes leaves room for one more message");
}
