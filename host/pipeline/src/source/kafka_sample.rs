//! A sample of a Kafka topic, and any other span of it. A client of its own is given one span of a partition
//! after the other; it subscribes to nothing, so no group ever hears of it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use millstream_model::{MessageBatch, OffsetRange, TopicPartition};
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use super::kafka::{client, cluster_id};
use super::kafka_check;
use super::kafka_log::FetcherContext;
use super::kafka_outage::Outage;
use super::kafka_partitions::failed;
use super::kafka_properties;
use super::kafka_reader::push;
use super::sample::{self, BATCH, Ends, SampleSize};
use super::{KafkaSettings, SourceError, SourceSettings, kafka_admin};

/// Longest wait within one poll.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// See [`sample::sample`].
pub(super) fn sample(
    settings: &KafkaSettings,
    topic: &str,
    limit: u64,
    visit: &mut dyn FnMut(&MessageBatch),
) -> Result<SampleSize, SourceError> {
    let visitor = KafkaVisitor::connect(settings, topic)?;
    let ends = visitor.known_ends(topic)?;
    let size = sample::size(&ends);
    for (partition, span) in sample::spans(ends, limit) {
        visitor.read(&partition, span, &mut |batch| {
            visit(batch);
            ControlFlow::Continue(())
        })?;
    }
    Ok(size)
}

/// A client that reads what it is told to.
pub(super) struct KafkaVisitor {
    fetcher: BaseConsumer<FetcherContext>,
    settings: KafkaSettings,
    /// Id of the cluster.
    pub(super) cluster_id: String,
}

impl KafkaVisitor {
    /// Connects to the cluster, as nobody's member.
    pub(super) fn connect(settings: &KafkaSettings, topic: &str) -> Result<Self, SourceError> {
        kafka_check::check(settings)?;
        let log = FetcherContext::new(Outage::new(&settings.brokers));
        let fetcher = client(&kafka_properties::fetcher(settings)?, log.clone())?;
        let cluster_id = cluster_id(&fetcher, &log, &[topic.to_owned()], settings)?;
        Ok(Self { fetcher, settings: settings.clone(), cluster_id })
    }

    /// Oldest and next position of each partition of a topic that must exist.
    pub(super) fn known_ends(&self, topic: &str) -> Result<Ends, SourceError> {
        if let Some(ends) = self.ends(topic)? {
            return Ok(ends);
        }
        let place = SourceSettings::Kafka(self.settings.clone());
        Err(sample::no_topic(place, topic, self.topics()?))
    }

    /// Oldest and next position of each partition; none if there is no such topic.
    fn ends(&self, topic: &str) -> Result<Option<Ends>, SourceError> {
        let failed = |error: KafkaError| failed(format!("ask for the partitions of {topic}"), &error);
        let metadata = self.fetcher.fetch_metadata(Some(topic), self.settings.timeout).map_err(failed)?;
        let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let Some(found) = found.filter(|found| found.error() != Some(unknown)) else { return Ok(None) };
        let mut ends = Vec::new();
        for partition in found.partitions() {
            let (low, end) = self
                .fetcher
                .fetch_watermarks(topic, partition.id(), self.settings.timeout)
                .map_err(failed)?;
            ends.push((TopicPartition::new(topic, partition.id()), OffsetRange::new(low, end.max(low))));
        }
        Ok(Some(ends))
    }

    /// The topic's id by its name; nothing if there is no such topic, or its id is not known.
    pub(super) fn topic_ids(&self, topic: &str) -> Result<BTreeMap<String, String>, SourceError> {
        let names = [topic.to_owned()];
        let found = kafka_admin::topics(self.fetcher.client(), &names, self.settings.timeout);
        let found = found
            .map_err(|reason| SourceError::Kafka { action: format!("describe the topic {topic}"), reason })?;
        Ok(found.into_iter().filter_map(|(name, topic)| Some((name, topic.id?))).collect())
    }

    /// The topics that are not Kafka's own.
    fn topics(&self) -> Result<Vec<String>, SourceError> {
        let failed = |error: KafkaError| failed("list the topics".to_owned(), &error);
        let metadata = self.fetcher.fetch_metadata(None, self.settings.timeout).map_err(failed)?;
        let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
        Ok(names.filter(|name| !name.starts_with("__")).collect())
    }

    /// Reads one span, in batches, until `visit` has enough.
    pub(super) fn read(
        &self,
        partition: &TopicPartition,
        span: OffsetRange,
        visit: &mut dyn FnMut(&MessageBatch) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let failed = |error: KafkaError| failed(format!("read {partition} from {}", span.start), &error);
        let mut list = TopicPartitionList::with_capacity(1);
        let start = rdkafka::Offset::Offset(span.start);
        list.add_partition_offset(&partition.topic, partition.partition, start).map_err(failed)?;
        self.fetcher.assign(&list).map_err(failed)?;
        let mut next = span.start;
        while next < span.end {
            let mut batch = MessageBatch::new(partition.clone(), next);
            let is_over = self.fill(&mut batch, span.end)?;
            next = batch.range().end;
            if (!batch.is_empty() && visit(&batch).is_break()) || is_over {
                break;
            }
        }
        self.fetcher.unassign().map_err(failed)
    }

    /// Fills a batch up to `end`; true if nothing more is to come of this span.
    fn fill(&self, batch: &mut MessageBatch, end: i64) -> Result<bool, SourceError> {
        let mut heard = Instant::now();
        while !BATCH.reached(batch) {
            match self.fetcher.poll(POLL_WAIT) {
                Some(Ok(message)) if message.offset() >= end => return Ok(true),
                Some(Ok(message)) => {
                    push(batch, &message);
                    heard = Instant::now();
                    if batch.range().end >= end {
                        return Ok(true);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(true),
                // Retention was faster.
                Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) => {
                    return Ok(true);
                }
                Some(Err(error)) if heard.elapsed() > self.settings.timeout => {
                    return Err(failed(format!("read {}", batch.partition()), &error));
                }
                None if heard.elapsed() > self.settings.timeout => {
                    let reason = format!("no answer within {} s", self.settings.timeout.as_secs_f32());
                    return Err(SourceError::Kafka { action: format!("read {}", batch.partition()), reason });
                }
                _ => {}
            }
        }
        Ok(false)
    }
}
