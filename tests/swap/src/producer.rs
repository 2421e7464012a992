//! Fills the topic at a steady rate, on a thread of its own, with messages whose ids are 0, 1, 2 …: message `id`
//! lies in partition `id mod PARTITIONS` at offset `id / PARTITIONS`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};

/// Partitions of the topic.
pub(crate) const PARTITIONS: u64 = 8;
/// Time between two bursts.
const BEAT: Duration = Duration::from_millis(10);
/// Longest wait for the broker to have everything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A producer that sends until it is told to stop.
pub(crate) struct Producer {
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<()>>,
    began: Instant,
}

/// What was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// Messages, which is one more than the greatest id.
    pub(crate) messages: u64,
    /// In how long.
    pub(crate) took: Duration,
}

impl Producer {
    /// Begins to fill `topic`, which is empty, with `rate` messages a second.
    pub(crate) fn start(brokers: &str, topic: &str, rate: u64) -> anyhow::Result<Self> {
        let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            // Each message once and in order.
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "0")
            .set("linger.ms", "5")
            .create()
            .context("no producer")?;
        let (sent, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, told, topic, began) = (sent.clone(), stop.clone(), topic.to_owned(), Instant::now());
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                let due = began.elapsed().as_micros() as u64 * rate / 1_000_000;
                while counted.load(Ordering::Relaxed) < due {
                    send(&producer, &topic, counted.load(Ordering::Relaxed))?;
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(BEAT);
            }
            producer.flush(PATIENCE).context("the broker does not take what was sent")
        });
        Ok(Self { sent, stop, thread, began })
    }

    /// An error if it cannot go on.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.thread.is_finished(), "the producer gave up");
        Ok(())
    }

    /// Stops it; the broker has everything then.
    pub(crate) fn stop(self) -> anyhow::Result<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        let took = self.began.elapsed();
        self.thread.join().map_err(|_| anyhow!("the producer panicked"))??;
        Ok(Sent { messages: self.sent.load(Ordering::Relaxed), took })
    }
}

/// Waits for room where the queue is full.
fn send(producer: &ThreadedProducer<DefaultProducerContext>, topic: &str, id: u64) -> anyhow::Result<()> {
    use rdkafka::error::{KafkaError, RDKafkaErrorCode};
    let (partition, value) = ((id % PARTITIONS) as i32, format!("{{\"id\":{id}}}"));
    loop {
        let record = BaseRecord::<(), _>::to(topic).partition(partition).payload(&value);
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => std::thread::sleep(BEAT),
            Err((error, _)) => return Err(error).context("the producer does not take more"),
        }
    }
}
