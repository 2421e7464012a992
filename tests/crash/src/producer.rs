//! Fills the topic with messages whose ids are 0, 1, 2 …: message `id` lies in partition `id mod PARTITIONS` at
//! offset `id / PARTITIONS`. Every sixteenth is none that the stream can take, so that dead letters are there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, ensure};
use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};

use crate::lake::PARTITIONS;

/// A producer of one topic.
pub(crate) struct Producer {
    producer: ThreadedProducer<Deliveries>,
    deliveries: Arc<Counts>,
    topic: String,
    sent: u64,
}

#[derive(Default)]
struct Counts {
    done: AtomicU64,
    failed: AtomicU64,
}

struct Deliveries(Arc<Counts>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _opaque: ()) {
        let count = if result.is_ok() { &self.0.done } else { &self.0.failed };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Producer {
    /// A producer of `topic`, which is empty.
    pub(crate) fn new(brokers: &str, topic: &str) -> anyhow::Result<Self> {
        let deliveries = Arc::new(Counts::default());
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            // Each message once and in order, however often the broker crashes.
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "0")
            .set("reconnect.backoff.max.ms", "500")
            .set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg)
            .create_with_context(Deliveries(deliveries.clone()))
            .context("no producer")?;
        Ok(Self { producer, deliveries, topic: topic.to_owned(), sent: 0 })
    }

    /// Sends `count` messages to each partition, without waiting for them to arrive.
    pub(crate) fn send(&mut self, count: u64) -> anyhow::Result<()> {
        for _ in 0..count * u64::from(PARTITIONS) {
            let (key, value) = (self.sent.to_string(), message(self.sent));
            let partition = (self.sent % u64::from(PARTITIONS)) as i32;
            let record = BaseRecord::to(&self.topic).partition(partition).key(&key).payload(&value);
            self.producer
                .send(record)
                .map_err(|(error, _)| error)
                .context("the producer does not take more")?;
            self.sent += 1;
        }
        Ok(())
    }

    /// Messages sent, which is one more than the greatest id.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// True once the broker has all of them.
    pub(crate) fn is_done(&self) -> anyhow::Result<bool> {
        let failed = self.deliveries.failed.load(Ordering::Relaxed);
        ensure!(failed == 0, "{failed} messages could not be produced: the broker lost the producer's state");
        Ok(self.deliveries.done.load(Ordering::Relaxed) == self.sent)
    }
}

fn message(id: u64) -> String {
    let make = if id % 16 == 5 { "" } else { "\"make\": \"Toyota\", " };
    let whole = format!(
        "{{\"id\": \"{id}\", \"deviceId\": \"vehicle-{}\", \"timestamp\": \"2026-01-0{}T08:00:38.123456\", \
         \"location\": [52.4, -1.89], \"speed\": {}.5, \"direction\": \"North-East\", {make}\
         \"model\": \"Corolla\", \"year\": 2024, \"fuelType\": \"Hybrid\"}}",
        id % 7,
        1 + id / 8 % 2,
        id % 90,
    );
    // Some are cut off, behind their id.
    if id % 64 == 21 { whole[..60].to_owned() } else { whole }
}
