//! Apache Kafka for the tests: one broker, shared by the tests that run at the same time and stopped
//! when the last of them ends, however it ends.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tempfile::TempDir;

use crate::conformance::PATIENCE;

static SHARED: Mutex<Weak<Broker>> = Mutex::new(Weak::new());

/// A running broker.
pub struct Broker {
    dir: TempDir,
    pub brokers: String,
}

impl Broker {
    /// The broker of the tests that run now.
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(broker) = shared.upgrade() {
            return broker;
        }
        let broker = Arc::new(Self::start());
        *shared = Arc::downgrade(&broker);
        broker
    }

    /// A broker of its own.
    pub fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let brokers = start(&dir);
        Self { dir, brokers }
    }

    /// Crashes the broker and starts it again.
    pub fn restart(&self) {
        run(&self.dir, "kill");
        assert_eq!(start(&self.dir), self.brokers);
    }

    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    pub fn create_topic(&self, topic: &str, partitions: i32) {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let admin = self.admin();
        let created = block_on(admin.create_topics([&new], &AdminOptions::new()));
        created.unwrap().remove(0).expect("the topic is created");
    }

    pub fn grow_topic(&self, topic: &str, partitions: usize) {
        let new = NewPartitions::new(topic, partitions);
        let grown = block_on(self.admin().create_partitions([&new], &AdminOptions::new()));
        grown.unwrap().remove(0).expect("the topic grows");
    }

    pub fn delete_topic(&self, topic: &str) {
        let deleted = block_on(self.admin().delete_topics(&[topic], &AdminOptions::new()));
        deleted.unwrap().remove(0).expect("the topic is deleted");
    }

    /// Deletes the messages before `offset`, as retention does.
    pub fn delete_before(&self, topic: &str, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
        let admin = self.admin();
        block_on(admin.delete_records(&list, &AdminOptions::new())).expect("the records are deleted");
    }

    pub fn produce<'a>(&self, topic: &str, partition: i32, values: impl IntoIterator<Item = &'a str>) {
        let producer: BaseProducer = self.config().create().unwrap();
        for value in values {
            producer.send(BaseRecord::<(), _>::to(topic).partition(partition).payload(value)).unwrap();
        }
        producer.flush(PATIENCE).expect("the messages are delivered");
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config().create().unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        run(&self.dir, "stop");
    }
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn start(dir: &TempDir) -> String {
    let printed = run(dir, "start");
    let brokers = printed.lines().find_map(|line| line.strip_prefix("KAFKA_BROKERS="));
    brokers.expect("the script prints KAFKA_BROKERS").to_owned()
}

fn run(dir: &TempDir, verb: &str) -> String {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/kafka"));
    let script = std::env::var_os("MILLSTREAM_TEST_KAFKA_SCRIPT").map_or(beside, PathBuf::from);
    let mut command = Command::new(&script);
    command.arg(verb).arg(dir.path()).stderr(Stdio::inherit());
    if verb == "start" {
        command.args(["--owner", &std::process::id().to_string()]);
    }
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    assert!(output.status.success(), "{} {verb}: {}", script.display(), output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// How long a test waits for a broker that does not answer: so long that a busy machine says by then why it does not.
pub const UNREACHABLE_AFTER: Duration = Duration::from_secs(3);
