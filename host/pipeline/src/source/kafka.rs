//! The Kafka source: one client is a member of the consumer group and only says which partitions are
//! this worker's, another fetches them from the positions it is given. Committed offsets are
//! written as a hint and never read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream_model::entry::Position;
use millstream_model::{Offset, OffsetRange, TopicPartition};
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;
use tokio::sync::mpsc;

use super::event::{Acknowledgement, Awaited};
use super::kafka_admin::{self, Topic};
use super::kafka_check;
use super::kafka_group::{Group, MemberContext, MemberSlot};
use super::kafka_log::FetcherContext;
use super::kafka_outage::Outage;
use super::kafka_partitions::{Partitions, failed, lock};
use super::kafka_properties;
use super::kafka_reader::KafkaReader;
use super::kafka_topics::Topics;
use super::{Departure, KafkaSettings, Opened, Skipped, Source, SourceError, SourceEvent, Start};

/// Longest wait for the group to let its member go. One that ends without leaving keeps its partitions
/// from everybody, its own next run included, until its session times out.
const LEAVE_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a client that got no answer may take to say why.
const REPORT_WAIT: Duration = Duration::from_millis(50);
/// librdkafka's default of `max.poll.interval.ms`.
const POLL_INTERVAL_MS: u64 = 300_000;

/// A Kafka cluster.
pub(super) struct KafkaSource {
    identity: String,
    start: Start,
    topics: Vec<String>,
    /// The topics that were there at the start, as they were.
    known: BTreeMap<String, Topic>,
    partitions: Arc<Partitions>,
    /// None between two members, and when the source has stopped.
    member: MemberSlot,
    stopped: Arc<AtomicBool>,
    returns: Arc<AtomicBool>,
    /// Acknowledged when the member has left the group.
    left: Mutex<Awaited>,
}

impl KafkaSource {
    /// Connects, joins the group and starts to serve it.
    pub(super) fn connect(
        settings: &KafkaSettings,
        topics: &[String],
        events: mpsc::Sender<SourceEvent>,
    ) -> Result<Self, SourceError> {
        kafka_check::check(settings)?;
        let outage = Outage::new(&settings.brokers);
        let log = FetcherContext::new(outage.clone());
        let fetcher = client(&kafka_properties::fetcher(settings)?, log.clone())?;
        let identity = format!("kafka:{}", cluster_id(&fetcher, &log, topics, settings)?);
        let known = kafka_admin::topics(fetcher.client(), topics, settings.timeout).map_err(undescribed)?;
        let partitions = Arc::new(Partitions::new(fetcher, settings.timeout));
        let (stopped, returns) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let config = kafka_properties::member(settings)?;
        let (has_left, left) = Acknowledgement::new();
        let context = MemberContext {
            events,
            partitions: partitions.clone(),
            stopped: stopped.clone(),
            returns: returns.clone(),
            revocation_wait: revocation_wait(&config, settings.revoke_timeout),
            settings: settings.clone(),
            moved: Arc::default(),
            assigned: Arc::default(),
            retired: Arc::default(),
            has_left: Arc::new(has_left),
            outage,
        };
        let group = Group::new(config, Topics::new(topics.to_vec()), context);
        let slot = group.slot();
        let member = group.join()?;
        std::thread::Builder::new()
            .name("source-kafka".to_owned())
            .spawn(move || group.run(member))
            .map_err(|error| SourceError::Kafka {
                action: "start a thread".to_owned(),
                reason: error.to_string(),
            })?;
        Ok(Self {
            identity,
            start: settings.start,
            topics: topics.to_vec(),
            known,
            partitions,
            member: slot,
            stopped,
            returns,
            left: Mutex::new(left),
        })
    }

    /// Where to read on, and what is skipped by that, given the partition's ends.
    fn resolve(
        &self,
        partition: &TopicPartition,
        position: Option<&Position>,
        (low, end): (Offset, Offset),
    ) -> Result<(Offset, Option<Skipped>), SourceError> {
        let skipped = |from, to, reason: &str| {
            let range = OffsetRange::new(from, to);
            (!range.is_empty()).then(|| Skipped { range, reason: reason.to_owned() })
        };
        const BEGINS: &str = "start = latest: begins here";
        const EXPIRED: &str = "deleted by Kafka's retention before it was read";
        match position.map(|position| position.offset) {
            // Said even if nothing is passed over: else who opens the partition next, before anything of it is
            // committed, would pass over what came since.
            None if self.start == Start::Latest => {
                let (to, reason) = match self.is_new(partition) {
                    true => (low, if low > 0 { EXPIRED } else { BEGINS }),
                    false => (end, if end > 0 { "start = latest" } else { BEGINS }),
                };
                Ok((to, Some(Skipped { range: OffsetRange::new(0, to), reason: reason.to_owned() })))
            }
            None => Ok((low, skipped(0, low, EXPIRED))),
            Some(offset) if offset < low => Ok((low, skipped(offset, low, EXPIRED))),
            Some(offset) if offset > end => {
                Err(SourceError::Ahead { partition: partition.clone(), position: offset, end })
            }
            Some(offset) => Ok((offset, None)),
        }
    }

    /// True if the partition was added to its topic since the start: no message of it was there before.
    fn is_new(&self, partition: &TopicPartition) -> bool {
        self.known.get(&*partition.topic).is_some_and(|topic| partition.partition >= topic.partitions)
    }
}

impl Source for KafkaSource {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn topic_ids(&self) -> Result<BTreeMap<String, String>, SourceError> {
        let topics = self.partitions.describe(&self.topics).map_err(undescribed)?;
        Ok(topics.into_iter().filter_map(|(name, topic)| Some((name, topic.id?))).collect())
    }

    fn open(&self, partition: &TopicPartition, position: Option<&Position>) -> Result<Opened, SourceError> {
        let ends = self.partitions.watermarks(partition)?;
        let (offset, skipped) = self.resolve(partition, position, ends)?;
        let (queue, gate) = self.partitions.open(partition, offset)?;
        let reader = KafkaReader::new(queue, self.partitions.clone(), gate, partition.clone(), offset);
        Ok(Opened { reader: Box::new(reader), skipped })
    }

    fn commit(&self, positions: &[(TopicPartition, Offset)]) -> Result<(), SourceError> {
        let member = lock(&self.member).upgrade();
        let Some(member) = member.filter(|_| !positions.is_empty()) else { return Ok(()) };
        let failed = |error: KafkaError| failed("commit offsets".to_owned(), &error);
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for (partition, offset) in positions {
            let offset = rdkafka::Offset::Offset(*offset);
            list.add_partition_offset(&partition.topic, partition.partition, offset).map_err(failed)?;
        }
        member.commit(&list, CommitMode::Async).map_err(failed)
    }

    fn stop(&self, departure: Departure) {
        self.returns.store(departure == Departure::Restart, Ordering::Release);
        self.stopped.store(true, Ordering::Release);
        if !lock(&self.left).wait(LEAVE_WAIT_MAX) {
            tracing::warn!(
                "the consumer group does not let this worker go: its partitions are free again only when its \
                 session times out"
            );
        }
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.stop(Departure::Restart);
    }
}

/// A client of `config`.
pub(super) fn client<C: ConsumerContext>(
    config: &ClientConfig,
    context: C,
) -> Result<BaseConsumer<C>, SourceError> {
    BaseConsumer::from_config_and_context(config, context).map_err(kafka_check::refused)
}

/// Asks any broker who the cluster is. Asking for the topics is what makes the client connect.
pub(super) fn cluster_id(
    fetcher: &BaseConsumer<FetcherContext>,
    log: &FetcherContext,
    topics: &[String],
    settings: &KafkaSettings,
) -> Result<String, SourceError> {
    let topic = topics.first().map(String::as_str);
    let answer = fetcher.fetch_metadata(topic, settings.timeout);
    let id = answer.map(|_| fetcher.client().fetch_cluster_id(settings.timeout));
    let reason = match id {
        Ok(Some(id)) => return Ok(id),
        Ok(None) => "it does not tell its cluster id".to_owned(),
        Err(error) => error.to_string(),
    };
    while fetcher.poll(REPORT_WAIT).is_some() {}
    Err(SourceError::Unreachable {
        brokers: settings.brokers.clone(),
        waited: settings.timeout,
        reason: log.last_error().unwrap_or(reason),
    })
}

/// Well below the time after which the group would throw the member out.
fn revocation_wait(config: &ClientConfig, revoke_timeout: Duration) -> Duration {
    let interval = config.get("max.poll.interval.ms").and_then(|text| text.parse().ok());
    revoke_timeout.min(Duration::from_millis(interval.unwrap_or(POLL_INTERVAL_MS) / 2))
}

fn undescribed(reason: String) -> SourceError {
    SourceError::Kafka { action: "describe the topics".to_owned(), reason }
}
