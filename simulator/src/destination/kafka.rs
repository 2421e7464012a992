//! Kafka as a target: an idempotent producer that waits for all replicas, partitioned as Java's client does.
//!
//! The delivery callback runs on the client's own thread and does nothing but count.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use super::{Delivered, Offer};
use crate::feed::Message;

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A message that no broker has acknowledged by then has failed.
const DELIVER_WITHIN: Duration = Duration::from_secs(120);

/// A connected producer and its topics.
pub struct KafkaTarget {
    producer: ThreadedProducer<Counters>,
    counters: Arc<TopicCounters>,
    topics: Vec<String>,
    partitions: Vec<u32>,
}

struct TopicCounters {
    acknowledged: Vec<AtomicU64>,
    failed: Vec<AtomicU64>,
    last_error: Mutex<Option<String>>,
}

struct Counters(Arc<TopicCounters>);

impl ClientContext for Counters {
    fn error(&self, error: KafkaError, reason: &str) {
        // "All brokers down" follows the error that says why.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.0.note(reason.to_owned());
        }
    }
}

impl ProducerContext for Counters {
    /// The topic's index.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, topic: usize) {
        match result {
            Ok(_) => self.0.acknowledged[topic].fetch_add(1, Ordering::Relaxed),
            Err((error, _)) => {
                self.0.note(error.to_string());
                self.0.failed[topic].fetch_add(1, Ordering::Relaxed)
            }
        };
    }
}

impl TopicCounters {
    fn new(topics: usize) -> Self {
        let zeros = || (0..topics).map(|_| AtomicU64::new(0)).collect();
        Self { acknowledged: zeros(), failed: zeros(), last_error: Mutex::new(None) }
    }

    fn note(&self, error: String) {
        *self.last_error.lock().expect("no holder of this lock can panic") = Some(error);
    }

    fn last_error(&self) -> Option<String> {
        self.last_error.lock().expect("no holder of this lock can panic").clone()
    }
}

impl KafkaTarget {
    /// Fails if no broker answers within 10 s, or if an existing topic has another number of partitions
    /// than the one given.
    pub async fn connect(brokers: &str, topics: &[String], partitions: Option<u32>) -> Result<Self> {
        let config = producer_config(brokers);
        let counters = Arc::new(TopicCounters::new(topics.len()));
        let producer: ThreadedProducer<Counters> = config
            .create_with_context(Counters(counters.clone()))
            .with_context(|| format!("cannot make a Kafka client for `{brokers}`"))?;
        let metadata = match producer.client().fetch_metadata(None, CONNECT_WITHIN) {
            Ok(metadata) => metadata,
            Err(error) => {
                let reason = counters.last_error().unwrap_or_else(|| error.to_string());
                bail!("no broker answers at {brokers} within {} s: {reason}", CONNECT_WITHIN.as_secs());
            }
        };
        let counts = partitions_of(&metadata, topics, partitions)?;
        let missing: Vec<&str> = topics
            .iter()
            .zip(&counts)
            .filter(|(_, count)| count.is_none())
            .map(|(topic, _)| topic.as_str())
            .collect();
        let created = partitions.unwrap_or(1);
        create_topics(&config, &missing, created).await?;
        let partitions = counts.into_iter().map(|count| count.unwrap_or(created)).collect();
        Ok(Self { producer, counters, topics: topics.to_vec(), partitions })
    }

    /// Hands the message to the client's queue.
    pub fn offer(&self, message: &Message) -> Result<Offer> {
        let topic = message.topic;
        let mut record: BaseRecord<'_, [u8], [u8], usize> =
            BaseRecord::with_opaque_to(&self.topics[topic], topic).payload(&message.payload);
        if let Some(key) = message.key() {
            record = record.key(key);
        }
        match self.producer.send(record) {
            Ok(()) => Ok(Offer::Taken),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(Offer::Full),
            Err((error, _)) => bail!("cannot send to topic `{}`: {error}", self.topics[topic]),
        }
    }

    /// Waits until the client has given every message its outcome.
    pub fn finish(&self) -> Result<()> {
        self.producer
            .flush(DELIVER_WITHIN + Duration::from_secs(5))
            .context("some messages were never answered for")
    }

    /// Counted in the client's delivery callback.
    pub fn delivered(&self) -> Vec<Delivered> {
        let both = self.counters.acknowledged.iter().zip(&self.counters.failed);
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        both.map(|(acknowledged, failed)| Delivered {
            acknowledged: load(acknowledged),
            failed: load(failed),
        })
        .collect()
    }

    /// The number of partitions by topic.
    pub fn partitions(&self) -> &[u32] {
        &self.partitions
    }

    /// The latest error of a delivery or of the connection.
    pub fn last_error(&self) -> Option<String> {
        self.counters.last_error()
    }
}

fn producer_config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("client.id", "millstream-simulator")
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "5")
        .set("compression.type", "zstd")
        .set("message.timeout.ms", DELIVER_WITHIN.as_millis().to_string());
    config
}

/// `None` for a topic that does not exist.
fn partitions_of(metadata: &Metadata, topics: &[String], asked: Option<u32>) -> Result<Vec<Option<u32>>> {
    let find = |name: &String| {
        let topic = metadata.topics().iter().find(|topic| topic.name() == name);
        let Some(count) = topic.map(|topic| topic.partitions().len() as u32) else { return Ok(None) };
        match asked {
            Some(asked) if asked != count => {
                bail!(
                    "topic `{name}` has {count} partitions, not {asked}: leave --partitions out or delete the topic"
                )
            }
            _ => Ok(Some(count)),
        }
    };
    topics.iter().map(find).collect()
}

async fn create_topics(config: &ClientConfig, names: &[&str], partitions: u32) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let mut admin_config = ClientConfig::new();
    admin_config.set("bootstrap.servers", config.get("bootstrap.servers").unwrap_or_default());
    let admin: AdminClient<DefaultClientContext> =
        admin_config.create().context("cannot make a Kafka client")?;
    // -1: the broker's own default.
    let topics: Vec<NewTopic> = names
        .iter()
        .map(|name| NewTopic::new(name, partitions as i32, TopicReplication::Fixed(-1)))
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(CONNECT_WITHIN));
    let results = admin.create_topics(&topics, &options).await.context("cannot create topics")?;
    for result in results {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => bail!("cannot create topic `{name}`: {code}"),
        }
    }
    Ok(())
}
