//! What is particular to Kafka.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use millstream_model::entry::Position;
use millstream_model::{Header, MessageBatch, OffsetRange, TopicPartition};
use millstream_pipeline::source::{
    self, Departure, GroupProtocol, KafkaSettings, Remedy, Skipped, SourceError, SourceEvent, SourceSettings,
    Start,
};
use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tokio::sync::mpsc;

use crate::broker::{Broker, UNREACHABLE_AFTER};
use crate::conformance::{self, AMPLE, Connected, PATIENCE, WAIT, World, messages, read};
use crate::warnings;

/// Every test has groups of its own.
pub fn group() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("group-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn kafka(broker: &Broker) -> KafkaSettings {
    KafkaSettings::new(&broker.brokers, group())
}

pub fn connect(settings: KafkaSettings, topics: &[&str]) -> Connected {
    Connected::new(&SourceSettings::Kafka(settings), topics)
}

fn at(offset: i64) -> Option<Position> {
    Some(Position { offset, cursor: None })
}

struct Cluster(Arc<Broker>);

impl World for Cluster {
    fn settings(&self) -> SourceSettings {
        SourceSettings::Kafka(kafka(&self.0))
    }

    fn create_topic(&self, topic: &str) {
        self.0.create_topic(topic, 1);
    }

    fn append(&self, partition: &TopicPartition, values: &[&str]) {
        self.0.produce(&partition.topic, partition.partition, values.iter().copied());
    }
}

#[test]
fn conforms() {
    conformance::check(&Cluster(Broker::shared()));
}

#[test]
fn all_of_a_message_arrives() {
    let broker = Broker::shared();
    broker.create_topic("whole", 1);
    let producer: BaseProducer = broker.config().create().unwrap();
    let headers = OwnedHeaders::new()
        .insert(KafkaHeader { key: "trace", value: Some("1") })
        .insert(KafkaHeader { key: "trace", value: None::<&str> });
    let full = BaseRecord::to("whole").key("k").payload("v").timestamp(1_700_000_000_123).headers(headers);
    producer.send(full).unwrap();
    producer.send(BaseRecord::<_, ()>::to("whole").key("tombstone")).unwrap();
    producer.flush(PATIENCE).unwrap();

    let partition = TopicPartition::new("whole", 0);
    let mut connected = connect(kafka(&broker), &["whole"]);
    connected.assigned(std::slice::from_ref(&partition));
    let batch = read(&mut *connected.open(&partition, None).reader, &partition, 2);
    let (first, second) = (batch.get(0), batch.get(1));
    assert_eq!((first.key, first.value), (Some(b"k".as_slice()), Some(b"v".as_slice())));
    assert_eq!(first.timestamp_us, Some(1_700_000_000_123_000));
    let header = |value: Option<&[u8]>| Header { key: "trace".to_owned(), value: value.map(<[u8]>::to_vec) };
    assert_eq!(first.headers, [header(Some(b"1")), header(None)]);
    assert_eq!((second.key, second.value), (Some(b"tombstone".as_slice()), None));
}

#[test]
fn an_aborted_transaction_leaves_a_gap() {
    let broker = Broker::shared();
    broker.create_topic("aborted", 1);
    let mut config = broker.config();
    let producer: BaseProducer = config.set("transactional.id", "aborted").create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    for (value, commit) in [("kept", true), ("aborted", false), ("kept too", true)] {
        producer.begin_transaction().unwrap();
        producer.send(BaseRecord::<(), _>::to("aborted").payload(value)).unwrap();
        producer.flush(PATIENCE).unwrap();
        match commit {
            true => producer.commit_transaction(PATIENCE).unwrap(),
            false => producer.abort_transaction(PATIENCE).unwrap(),
        }
    }
    let partition = TopicPartition::new("aborted", 0);
    let mut connected = connect(kafka(&broker), &["aborted"]);
    connected.assigned(std::slice::from_ref(&partition));
    let batch = read(&mut *connected.open(&partition, None).reader, &partition, 2);
    assert_eq!(messages(&batch), [(0, "kept".to_owned()), (4, "kept too".to_owned())]);
    assert_eq!(batch.range(), OffsetRange::new(0, 5));
}

/// The end of a transactional topic is a marker, which no position passes: catching up never ended.
#[test]
fn the_end_is_seen_behind_a_transaction() {
    let broker = Broker::shared();
    broker.create_topic("ended", 1);
    let mut config = broker.config();
    let producer: BaseProducer = config.set("transactional.id", "ended").create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    producer.send(BaseRecord::<(), _>::to("ended").payload("last")).unwrap();
    producer.commit_transaction(PATIENCE).unwrap();
    let partition = TopicPartition::new("ended", 0);
    let mut connected = connect(kafka(&broker), &["ended"]);
    connected.assigned(std::slice::from_ref(&partition));
    for position in [None, at(1)] {
        let mut reader = connected.open(&partition, position).reader;
        let deadline = Instant::now() + PATIENCE;
        while reader.end_offset() != Some(1) || reader.position().offset != 1 {
            let mut batch = MessageBatch::new(partition.clone(), reader.position().offset);
            reader.fill(&mut batch, AMPLE, WAIT).unwrap();
            assert!(Instant::now() < deadline, "{:?}", reader.end_offset());
        }
    }
}

#[test]
fn what_retention_deleted_is_skipped_and_said() {
    let broker = Broker::shared();
    broker.create_topic("expired", 1);
    broker.produce("expired", 0, ["0", "1", "2", "3", "4"]);
    broker.delete_before("expired", 0, 3);
    let partition = TopicPartition::new("expired", 0);
    let mut connected = connect(kafka(&broker), &["expired"]);
    connected.assigned(std::slice::from_ref(&partition));
    let check = |position: Option<Position>, skipped: Option<(i64, i64)>, next: i64| {
        let mut opened = connected.open(&partition, position);
        let reason = "deleted by Kafka's retention before it was read".to_owned();
        let skipped = skipped.map(|(start, end)| Skipped { range: OffsetRange::new(start, end), reason });
        assert_eq!(opened.skipped, skipped);
        assert_eq!(opened.reader.position().offset, next);
        read(&mut *opened.reader, &partition, usize::try_from(5 - next).unwrap());
    };
    check(None, Some((0, 3)), 3);
    check(at(1), Some((1, 3)), 3);
    check(at(3), None, 3);
    check(at(4), None, 4);
    check(at(5), None, 5);
}

#[test]
fn what_retention_deletes_while_reading_is_skipped_after_opening_again() {
    let broker = Broker::shared();
    broker.create_topic("expiring", 1);
    ["0", "1", "2", "3"].into_iter().for_each(|value| broker.produce("expiring", 0, [value]));
    let partition = TopicPartition::new("expiring", 0);
    let mut settings = kafka(&broker);
    // Prefetch one message at most, so that the others are deleted before they are fetched.
    for key in ["queued.min.messages", "max.partition.fetch.bytes"] {
        settings.properties.insert(key.to_owned(), "1".to_owned());
    }
    let mut connected = connect(settings, &["expiring"]);
    connected.assigned(std::slice::from_ref(&partition));
    let mut opened = connected.open(&partition, None);
    broker.delete_before("expiring", 0, 3);

    let mut batch = MessageBatch::new(partition.clone(), 0);
    let deadline = Instant::now() + PATIENCE;
    let error = loop {
        assert!(Instant::now() < deadline, "{:?}", batch.range());
        if let Err(error) = opened.reader.fill(&mut batch, AMPLE, WAIT) {
            break error;
        }
    };
    assert_eq!(error.remedy(), Remedy::Reopen, "{error}");
    let reached = batch.range().end;
    assert!(matches!(error, SourceError::Expired { position, low: 3, .. } if position == reached), "{error}");
    let again = opened.reader.fill(&mut batch, AMPLE, WAIT).unwrap_err();
    assert_eq!(again.to_string(), error.to_string());

    let mut opened = connected.open(&partition, at(reached));
    assert_eq!(opened.skipped.unwrap().range, OffsetRange::new(reached, 3));
    assert_eq!(messages(&read(&mut *opened.reader, &partition, 1)), [(3, "3".to_owned())]);
    let error = connected.source.open(&partition, at(9).as_ref()).err().unwrap();
    assert!(matches!(error, SourceError::Ahead { position: 9, end: 4, .. }), "{error}");
}

#[test]
fn start_latest_skips_what_is_there() {
    let broker = Broker::shared();
    broker.create_topic("latest", 1);
    broker.produce("latest", 0, ["old", "old"]);
    let partition = TopicPartition::new("latest", 0);
    let mut connected = connect(KafkaSettings { start: Start::Latest, ..kafka(&broker) }, &["latest"]);
    connected.assigned(std::slice::from_ref(&partition));
    let mut opened = connected.open(&partition, None);
    let range = OffsetRange::new(0, 2);
    assert_eq!(opened.skipped, Some(Skipped { range, reason: "start = latest".to_owned() }));
    broker.produce("latest", 0, ["new"]);
    assert_eq!(messages(&read(&mut *opened.reader, &partition, 1)), [(2, "new".to_owned())]);
    let mut resumed = connected.open(&partition, at(1));
    assert_eq!(read(&mut *resumed.reader, &partition, 2).range(), OffsetRange::new(1, 3));
}

/// Messages that came behind the start were passed over if the worker was killed before its first checkpoint.
#[test]
fn start_latest_in_an_empty_partition_is_noted() {
    let broker = Broker::shared();
    broker.create_topic("empty", 1);
    let partition = TopicPartition::new("empty", 0);
    let mut connected = connect(KafkaSettings { start: Start::Latest, ..kafka(&broker) }, &["empty"]);
    connected.assigned(std::slice::from_ref(&partition));
    let opened = connected.open(&partition, None);
    assert_eq!(opened.skipped.unwrap().range, OffsetRange::new(0, 0));
    broker.produce("empty", 0, ["new"]);
    let mut resumed = connected.open(&partition, at(0));
    assert_eq!(resumed.skipped, None);
    assert_eq!(messages(&read(&mut *resumed.reader, &partition, 1)), [(0, "new".to_owned())]);
}

/// One worker: what it has read, by partition, as its checkpoint log would know it.
struct Worker {
    connected: Connected,
    readers: BTreeMap<TopicPartition, Box<dyn source::PartitionReader>>,
}

impl Worker {
    fn new(settings: &KafkaSettings, topic: &str) -> Self {
        Self { connected: connect(settings.clone(), &[topic]), readers: BTreeMap::new() }
    }

    /// Handles what has happened, then reads once from each partition.
    fn turn(&mut self, log: &mut BTreeMap<TopicPartition, i64>, seen: &mut Vec<(i32, i64)>) {
        while let Ok(event) = self.connected.events.try_recv() {
            match event {
                SourceEvent::Assigned(partitions) => {
                    for partition in partitions {
                        let position = log.get(&partition).copied().and_then(at);
                        let reader = self.connected.open(&partition, position).reader;
                        self.readers.insert(partition, reader);
                    }
                }
                SourceEvent::Revoked { partitions, done, .. } => {
                    partitions.iter().for_each(|partition| drop(self.readers.remove(partition)));
                    done.done();
                }
                SourceEvent::Missing(topics) => assert_eq!(topics, [""; 0]),
                SourceEvent::Reachable(_) => {}
                SourceEvent::Failed(error) => panic!("{error}"),
            }
        }
        for (partition, reader) in &mut self.readers {
            let mut batch = MessageBatch::new(partition.clone(), reader.position().offset);
            match reader.fill(&mut batch, AMPLE, WAIT / 20) {
                // Its revocation is not acknowledged yet, so nobody else reads it.
                Ok(()) => {}
                Err(error) => assert_eq!(error.remedy(), Remedy::Forget, "{error}"),
            }
            let begin = log.entry(partition.clone()).or_insert(0);
            assert_eq!(batch.range().start, *begin, "{partition} is read on where it was left");
            *begin = batch.range().end;
            seen.extend(batch.iter().map(|message| (partition.partition, message.offset)));
        }
    }
}

#[test]
fn a_second_worker_takes_over_partitions_without_loss() {
    take_over("shared", GroupProtocol::Classic);
}

#[test]
fn a_second_worker_takes_over_partitions_under_the_new_group_protocol() {
    take_over("shared-848", GroupProtocol::Consumer);
}

fn take_over(topic: &str, protocol: GroupProtocol) {
    let broker = Broker::shared();
    broker.create_topic(topic, 4);
    let values: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    let produce = |partition| broker.produce(topic, partition, values.iter().map(String::as_str));
    (0..4).for_each(produce);
    let settings = KafkaSettings { protocol, ..kafka(&broker) };
    let (mut log, mut seen) = (BTreeMap::new(), Vec::new());
    let mut first = Worker::new(&settings, topic);
    let deadline = Instant::now() + PATIENCE;
    while first.readers.len() < 4 || seen.is_empty() {
        first.turn(&mut log, &mut seen);
        assert!(Instant::now() < deadline);
    }
    let mut second = Worker::new(&settings, topic);
    while second.readers.len() < 2 || first.readers.len() > 2 {
        first.turn(&mut log, &mut seen);
        second.turn(&mut log, &mut seen);
        assert!(Instant::now() < deadline, "{} and {}", first.readers.len(), second.readers.len());
    }
    (0..4).for_each(produce);
    while seen.len() < 4000 && Instant::now() < deadline {
        first.turn(&mut log, &mut seen);
        second.turn(&mut log, &mut seen);
    }
    let distinct: BTreeSet<_> = seen.iter().copied().collect();
    assert_eq!((seen.len(), distinct.len()), (4000, 4000));
    drop(second);
    while first.readers.len() < 4 {
        first.turn(&mut log, &mut seen);
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn a_member_that_stops_leaves_its_group() {
    let broker = Broker::shared();
    broker.create_topic("left", 2);
    let mut settings = kafka(&broker);
    // Far longer than the test waits: only a member that says goodbye frees its partitions.
    settings.properties.insert("session.timeout.ms".to_owned(), "300000".to_owned());
    let partitions = [TopicPartition::new("left", 0), TopicPartition::new("left", 1)];
    let mut first = connect(settings.clone(), &["left"]);
    first.assigned(&partitions);
    let _reader = first.open(&partitions[0], None).reader;
    first.source.stop(Departure::ForGood);
    // The member's client holds the sender: a process may end now, and its group knows.
    assert!(first.events.is_closed());
    let mut second = connect(settings, &["left"]);
    second.assigned(&partitions);
}

#[test]
fn a_restart_of_the_broker_is_survived() {
    warnings::keep();
    let broker = Broker::start();
    broker.create_topic("restart", 1);
    broker.produce("restart", 0, ["before"]);
    let partition = TopicPartition::new("restart", 0);
    let settings = kafka(&broker);
    let mut connected = connect(settings.clone(), &["restart"]);
    connected.assigned(std::slice::from_ref(&partition));
    let identity = connected.source.identity().to_owned();
    let mut reader = connected.open(&partition, None).reader;
    read(&mut *reader, &partition, 1);
    let began = Instant::now();
    broker.restart();
    broker.produce("restart", 0, ["after"]);
    let batch = read(&mut *reader, &partition, 1);
    assert_eq!(messages(&batch), [(1, "after".to_owned())]);
    warnings::wait_for(&["INFO", &broker.brokers, "kafka answers again"]);
    let warned = warnings::with(&["WARN", &broker.brokers]);
    // Once in half a minute, however often it was tried and however long this took.
    let most = 1 + began.elapsed().as_secs() / 30;
    assert!((1..=most).contains(&(warned.len() as u64)), "{warned:?}");
    assert!(warned.iter().all(|line| line.contains("trying on")), "{warned:?}");
    assert_eq!(connect(settings, &["restart"]).source.identity(), identity);
}

#[test]
fn a_topic_that_is_created_later_is_assigned() {
    let broker = Broker::shared();
    let mut settings = kafka(&broker);
    settings.properties.insert("topic.metadata.refresh.interval.ms".to_owned(), "200".to_owned());
    let mut connected = connect(settings, &["later"]);
    broker.create_topic("later", 1);
    connected.assigned(&[TopicPartition::new("later", 0)]);
}

#[test]
fn settings_that_do_not_work_are_named() {
    let check = |change: &dyn Fn(&mut KafkaSettings), expected: &[&str]| {
        let mut settings =
            KafkaSettings { timeout: UNREACHABLE_AFTER, ..KafkaSettings::new("127.0.0.1:1", "g") };
        change(&mut settings);
        let (sender, _events) = mpsc::channel(1);
        let topics = ["t".to_owned()];
        let error = source::connect(&SourceSettings::Kafka(settings), &topics, sender).err().unwrap();
        assert_eq!(error.remedy(), Remedy::FixConfiguration);
        expected.iter().for_each(|part| assert!(error.to_string().contains(part), "{error}"));
    };
    let property = |key: &str, value: &str| {
        let (key, value) = (key.to_owned(), value.to_owned());
        move |settings: &mut KafkaSettings| drop(settings.properties.insert(key.clone(), value.clone()))
    };
    check(
        &|_| {},
        &[
            "no broker of `127.0.0.1:1` answered within 3 s: ",
            "Connection refused",
            "check source.kafka.brokers",
        ],
    );
    check(&property("group.id", "x"), &["`group.id`: may not be set: set source.kafka.group instead"]);
    check(&property("no.such.key", "x"), &["`no.such.key`", "No such configuration property"]);
    check(&property("fetch.max.bytes", "many"), &["`fetch.max.bytes`"]);
}
