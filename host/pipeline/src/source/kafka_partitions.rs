//! The partitions that this worker holds: which of them are open, and the client that fetches them.
//! That client never joins the group; partitions are added to it one by one, each at the position it
//! is opened at. So nothing is ever fetched from a wrong position, and opening one partition leaves
//! the others alone (an eager group's own client can only be given all its partitions at once).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millstream_model::{Offset, TopicPartition};
use rdkafka::bindings::{rd_kafka_get_watermark_offsets, rd_kafka_resp_err_t};
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use super::SourceError;
use super::kafka_admin::{self, Topic};
use super::kafka_log::{FetcherContext, is_connection};

/// Longest wait for what is asked beside the work.
const LOOK_WAIT_MAX: Duration = Duration::from_secs(1);

/// The queue of one partition, split from all others.
pub(super) type Queue = PartitionQueue<FetcherContext>;

/// Locked while a reader takes messages; true once the reader may take no more.
pub(super) type Gate = Arc<Mutex<bool>>;

/// The partitions of this worker.
pub(super) struct Partitions {
    fetcher: Arc<BaseConsumer<FetcherContext>>,
    timeout: Duration,
    /// Assigned partitions; a gate for those that are open.
    assigned: Mutex<HashMap<TopicPartition, Option<Gate>>>,
}

impl Partitions {
    /// No partition yet.
    pub(super) fn new(fetcher: BaseConsumer<FetcherContext>, timeout: Duration) -> Self {
        Self { fetcher: Arc::new(fetcher), timeout, assigned: Mutex::default() }
    }

    /// Partitions may be opened from now on.
    pub(super) fn assign(&self, partitions: &[TopicPartition]) {
        let mut assigned = lock(&self.assigned);
        for partition in partitions {
            assigned.entry(partition.clone()).or_insert(None);
        }
    }

    /// Those that may be opened.
    pub(super) fn assigned(&self) -> Vec<TopicPartition> {
        lock(&self.assigned).keys().cloned().collect()
    }

    /// Closes partitions; their readers give nothing from here on.
    pub(super) fn revoke(&self, partitions: &[TopicPartition]) {
        let mut assigned = lock(&self.assigned);
        for partition in partitions {
            if let Some(Some(gate)) = assigned.remove(partition) {
                self.close(partition, &gate);
            }
        }
    }

    /// Closes all partitions.
    pub(super) fn revoke_all(&self) {
        self.revoke(&self.assigned());
    }

    /// Begins to fetch a partition at `offset`, into a queue of its own.
    pub(super) fn open(
        &self,
        partition: &TopicPartition,
        offset: Offset,
    ) -> Result<(Queue, Gate), SourceError> {
        let mut assigned = lock(&self.assigned);
        let not_assigned = || SourceError::NotAssigned { partition: partition.clone() };
        let slot = assigned.get_mut(partition).ok_or_else(not_assigned)?;
        if let Some(gate) = slot.take() {
            self.close(partition, &gate);
        }
        // Split first: a queue that is split before its partition starts gets every message.
        let queue = self.fetcher.split_partition_queue(&partition.topic, partition.partition);
        let queue = queue.ok_or_else(not_assigned)?;
        let failed = |error: KafkaError| failed(format!("open {partition} at {offset}"), &error);
        let list = list_of(partition, rdkafka::Offset::Offset(offset)).map_err(failed)?;
        self.fetcher.incremental_assign(&list).map_err(failed)?;
        let gate = Gate::default();
        *slot = Some(gate.clone());
        Ok((queue, gate))
    }

    /// Oldest offset and end of a partition, asked of its leader.
    pub(super) fn watermarks(&self, partition: &TopicPartition) -> Result<(Offset, Offset), SourceError> {
        self.fetcher
            .fetch_watermarks(&partition.topic, partition.partition, self.timeout)
            .map_err(|error| failed(format!("ask for the ends of {partition}"), &error))
    }

    /// Whether a topic exists, asked of any broker.
    pub(super) fn has_topic(&self, topic: &str) -> Result<bool, KafkaError> {
        let metadata = self.fetcher.fetch_metadata(Some(topic), self.timeout.min(LOOK_WAIT_MAX))?;
        let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        Ok(metadata.topics().iter().all(|topic| topic.error() != Some(unknown)))
    }

    /// Describes those of the topics that exist, asked of any broker.
    pub(super) fn describe(&self, topics: &[String]) -> Result<BTreeMap<String, Topic>, String> {
        kafka_admin::topics(self.fetcher.client(), topics, self.timeout.min(LOOK_WAIT_MAX))
    }

    /// End of a partition as the last fetch told it.
    pub(super) fn cached_end(&self, partition: &TopicPartition) -> Option<Offset> {
        let topic = std::ffi::CString::new(&*partition.topic).ok()?;
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client lives as long as `self`, the topic and both offsets as long as the call.
        let outcome = unsafe {
            let client = self.fetcher.client().native_ptr();
            rd_kafka_get_watermark_offsets(client, topic.as_ptr(), partition.partition, &mut low, &mut high)
        };
        (outcome == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
    }

    /// Lets the fetching client report what it has to report.
    pub(super) fn serve(&self) {
        // Without any wait, a poll would stop at the first line of the client's log.
        while let Some(event) = self.fetcher.poll(Duration::from_millis(1)) {
            match event {
                Err(error) if is_connection(&error) => tracing::debug!(%error, "kafka"),
                Err(error) => tracing::warn!(%error, "kafka"),
                Ok(_) => {}
            }
        }
    }

    /// Waits for a running fill to end, and stops the fetching.
    fn close(&self, partition: &TopicPartition, gate: &Gate) {
        *lock(gate) = true;
        let removed = list_of(partition, rdkafka::Offset::Invalid)
            .and_then(|list| self.fetcher.incremental_unassign(&list));
        if let Err(error) = removed {
            tracing::warn!(%partition, %error, "the partition is still fetched");
        }
    }
}

/// Locks, also if a thread died with the lock: what is behind these locks is always whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error of the client, as ours.
pub(super) fn failed(action: String, error: &KafkaError) -> SourceError {
    SourceError::Kafka { action, reason: error.to_string() }
}

fn list_of(partition: &TopicPartition, offset: rdkafka::Offset) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(&partition.topic, partition.partition, offset)?;
    Ok(list)
}
