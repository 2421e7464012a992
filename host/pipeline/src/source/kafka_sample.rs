//! A sample of a Kafka topic. A client of its own is given one span of a partition after the other; it
//! subscribes to nothing, so no group ever hears of it.

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
use super::{KafkaSettings, SourceError, SourceSettings};

/// Longest wait within one poll.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// See [`sample::sample`].
pub(super) fn sample(
    settings: &KafkaSettings,
    topic: &str,
    limit: u64,
    visit: &mut dyn FnMut(&MessageBatch),
) -> Result<SampleSize, SourceError> {
    kafka_check::check(settings)?;
    let log = FetcherContext::new(Outage::new(&settings.brokers));
    let fetcher = client(&kafka_properties::fetcher(settings)?, log.clone())?;
    cluster_id(&fetcher, &log, &[topic.to_owned()], settings)?;
    let visitor = Visitor { fetcher, timeout: settings.timeout };
    let Some(ends) = visitor.ends(topic)? else {
        let place = SourceSettings::Kafka(settings.clone());
        return Err(sample::no_topic(place, topic, visitor.topics()?));
    };
    let size = sample::size(&ends);
    for (partition, span) in sample::spans(ends, limit) {
        visitor.read(&partition, span, visit)?;
    }
    Ok(size)
}

/// A client that reads what it is told to.
struct Visitor {
    fetcher: BaseConsumer<FetcherContext>,
    timeout: Duration,
}

impl Visitor {
    /// Oldest and next position of each partition; none if there is no such topic.
    fn ends(&self, topic: &str) -> Result<Option<Ends>, SourceError> {
        let failed = |error: KafkaError| failed(format!("ask for the partitions of {topic}"), &error);
        let metadata = self.fetcher.fetch_metadata(Some(topic), self.timeout).map_err(failed)?;
        let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let Some(found) = found.filter(|found| found.error() != Some(unknown)) else { return Ok(None) };
        let mut ends = Vec::new();
        for partition in found.partitions() {
            let (low, end) =
                self.fetcher.fetch_watermarks(topic, partition.id(), self.timeout).map_err(failed)?;
            ends.push((TopicPartition::new(topic, partition.id()), OffsetRange::new(low, end.max(low))));
        }
        Ok(Some(ends))
    }

    /// The topics that are not Kafka's own.
    fn topics(&self) -> Result<Vec<String>, SourceError> {
        let failed = |error: KafkaError| failed("list the topics".to_owned(), &error);
        let metadata = self.fetcher.fetch_metadata(None, self.timeout).map_err(failed)?;
        let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
        Ok(names.filter(|name| !name.starts_with("__")).collect())
    }

    /// Reads one span, in batches.
    fn read(
        &self,
        partition: &TopicPartition,
        span: OffsetRange,
        visit: &mut dyn FnMut(&MessageBatch),
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
            if !batch.is_empty() {
                visit(&batch);
            }
            if is_over {
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
                Some(Err(error)) if heard.elapsed() > self.timeout => {
                    return Err(failed(format!("read {}", batch.partition()), &error));
                }
                None if heard.elapsed() > self.timeout => {
                    let reason = format!("no answer within {} s", self.timeout.as_secs_f32());
                    return Err(SourceError::Kafka { action: format!("read {}", batch.partition()), reason });
                }
                _ => {}
            }
        }
        Ok(false)
    }
}
