//! What every source does. A `World` is one way to have a source: a folder, or a broker.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_model::entry::Position;
use millstream_model::{MessageBatch, Offset, OffsetRange, TopicPartition};
use millstream_pipeline::source::{
    self, Departure, FillLimits, Opened, PartitionReader, Remedy, Source, SourceEvent, SourceSettings,
    Visitor,
};
use tokio::sync::mpsc;

use crate::warnings;

/// How long a test waits for what must come; far more than it takes.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How long one fill waits.
pub const WAIT: Duration = Duration::from_millis(200);
/// Limits that no test reaches.
pub const AMPLE: FillLimits = FillLimits { rows: 100_000, bytes: 1 << 26 };

/// One way to have a source.
pub trait World {
    fn settings(&self) -> SourceSettings;
    fn create_topic(&self, topic: &str);
    fn append(&self, partition: &TopicPartition, values: &[&str]);
}

/// A connected source with its events.
pub struct Connected {
    pub source: Arc<dyn Source>,
    pub events: mpsc::Receiver<SourceEvent>,
}

impl Connected {
    pub fn new(settings: &SourceSettings, topics: &[&str]) -> Self {
        let topics: Vec<String> = topics.iter().map(|&topic| topic.to_owned()).collect();
        let (sender, events) = mpsc::channel(16);
        let source = source::connect(settings, &topics, sender).expect("the source connects");
        Self { source, events }
    }

    /// What the source tells next, but for whether the broker answers: one that is slow does not, for a moment.
    pub fn next_event(&mut self) -> Option<SourceEvent> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        loop {
            let next = async { tokio::time::timeout(PATIENCE, self.events.recv()).await };
            match runtime.block_on(next).expect("an event in time") {
                Some(SourceEvent::Reachable(_)) => {}
                event => return event,
            }
        }
    }

    /// Waits until all of `wanted` are assigned.
    pub fn assigned(&mut self, wanted: &[TopicPartition]) {
        let mut missing = wanted.to_vec();
        while !missing.is_empty() {
            match self.next_event() {
                Some(SourceEvent::Assigned(now)) => missing.retain(|partition| !now.contains(partition)),
                Some(SourceEvent::Revoked { done, .. }) => done.done(),
                Some(SourceEvent::Missing(_)) => {}
                other => panic!("{other:?} instead of the assignment of {missing:?}"),
            }
        }
    }

    pub fn open(&self, partition: &TopicPartition, position: Option<Position>) -> Opened {
        self.source.open(partition, position.as_ref()).expect("the partition opens")
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.source.stop(Departure::ForGood);
    }
}

/// Reads until `count` messages have come; checks that the range covers them.
pub fn read(reader: &mut dyn PartitionReader, partition: &TopicPartition, count: usize) -> MessageBatch {
    let mut batch = MessageBatch::new(partition.clone(), reader.position().offset);
    let deadline = Instant::now() + PATIENCE;
    loop {
        reader.fill(&mut batch, AMPLE, WAIT).expect("the partition can be read");
        if batch.len() >= count {
            break;
        }
        assert!(Instant::now() < deadline, "{} of {count} messages came", batch.len());
    }
    assert_eq!(batch.range().end, reader.position().offset);
    assert_eq!(batch.cursor(), reader.position().cursor);
    batch
}

/// Offsets and values of a batch.
pub fn messages(batch: &MessageBatch) -> Vec<(Offset, String)> {
    let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    batch.iter().map(|message| (message.offset, text(message.value))).collect()
}

fn numbered(pairs: &[(Offset, &str)]) -> Vec<(Offset, String)> {
    pairs.iter().map(|&(offset, value)| (offset, value.to_owned())).collect()
}

/// Everything that holds for every source.
pub fn check(world: &dyn World) {
    reads_from_the_beginning_and_follows(world);
    resumes_at_a_position(world);
    keeps_to_limits(world);
    commit_changes_nothing(world);
    identity_is_stable(world);
    nothing_to_read_is_said(world);
    a_visitor_finds_the_newest(world);
    stops(world);
}

fn filled(world: &dyn World, topic: &str, values: &[&str]) -> (Connected, TopicPartition) {
    world.create_topic(topic);
    let partition = TopicPartition::new(topic, 0);
    world.append(&partition, values);
    let mut connected = Connected::new(&world.settings(), &[topic]);
    connected.assigned(std::slice::from_ref(&partition));
    (connected, partition)
}

fn reads_from_the_beginning_and_follows(world: &dyn World) {
    let (connected, partition) = filled(world, "follow", &["a", "b"]);
    let mut opened = connected.open(&partition, None);
    assert_eq!(opened.skipped, None);
    let first = read(&mut *opened.reader, &partition, 2);
    assert_eq!(messages(&first), numbered(&[(0, "a"), (1, "b")]));
    world.append(&partition, &["c"]);
    let second = read(&mut *opened.reader, &partition, 1);
    assert_eq!(messages(&second), numbered(&[(2, "c")]));
    assert_eq!((first.range().end, second.range().start), (2, 2));
    assert_eq!(opened.reader.end_offset(), Some(3));
}

fn resumes_at_a_position(world: &dyn World) {
    let (connected, partition) = filled(world, "resume", &["a", "b", "c"]);
    let mut opened = connected.open(&partition, None);
    let limits = FillLimits { rows: 1, ..AMPLE };
    let mut batch = MessageBatch::new(partition.clone(), 0);
    while batch.is_empty() {
        opened.reader.fill(&mut batch, limits, WAIT).unwrap();
    }
    let position = Position { offset: batch.range().end, cursor: batch.cursor() };
    let mut again = connected.open(&partition, Some(position));
    assert_eq!(messages(&read(&mut *again.reader, &partition, 2)), numbered(&[(1, "b"), (2, "c")]));
    let mut without_cursor = connected.open(&partition, Some(Position { offset: 2, cursor: None }));
    assert_eq!(messages(&read(&mut *without_cursor.reader, &partition, 1)), numbered(&[(2, "c")]));
    let ahead = Position { offset: 4, cursor: None };
    let error = connected.source.open(&partition, Some(&ahead)).err().expect("no such position");
    assert_eq!(error.remedy(), Remedy::FixData, "{error}");
}

fn keeps_to_limits(world: &dyn World) {
    let (connected, partition) = filled(world, "limits", &["aaaa", "bbbb", "cccc", "dddd"]);
    let check = |limits: FillLimits, expected: usize| {
        let mut reader = connected.open(&partition, None).reader;
        let mut batch = MessageBatch::new(partition.clone(), 0);
        while batch.len() < expected {
            reader.fill(&mut batch, limits, WAIT).unwrap();
        }
        reader.fill(&mut batch, limits, WAIT).unwrap();
        assert_eq!(batch.len(), expected, "{limits:?}");
    };
    check(FillLimits { rows: 3, ..AMPLE }, 3);
    check(FillLimits { bytes: 4, ..AMPLE }, 1);
    check(FillLimits { bytes: 5, ..AMPLE }, 2);
    check(AMPLE, 4);
}

fn commit_changes_nothing(world: &dyn World) {
    let (connected, partition) = filled(world, "commit", &["a", "b"]);
    connected.source.commit(&[(partition.clone(), 2)]).unwrap();
    connected.source.commit(&[]).unwrap();
    let mut opened = connected.open(&partition, None);
    assert_eq!(messages(&read(&mut *opened.reader, &partition, 2)), numbered(&[(0, "a"), (1, "b")]));
}

fn identity_is_stable(world: &dyn World) {
    let identity = || Connected::new(&world.settings(), &["follow"]).source.identity().to_owned();
    assert_eq!(identity(), identity());
}

fn nothing_to_read_is_said(world: &dyn World) {
    warnings::keep();
    let mut connected = Connected::new(&world.settings(), &["nowhere"]);
    match connected.next_event() {
        Some(SourceEvent::Missing(topics)) => assert_eq!(topics, ["nowhere"]),
        other => panic!("{other:?} instead of what is missing"),
    }
    match connected.next_event() {
        Some(SourceEvent::Assigned(partitions)) => assert_eq!(partitions, []),
        other => panic!("{other:?} instead of an empty assignment"),
    }
    warnings::wait_for(&["WARN", "nowhere", "waiting for"]);
}

/// As of when it is asked, and while a worker holds the partition.
fn a_visitor_finds_the_newest(world: &dyn World) {
    let (_connected, partition) = filled(world, "newest", &["a", "b", "c"]);
    let visitor = Visitor::connect(&world.settings(), "newest").unwrap();
    world.append(&partition, &["d"]);
    let newest = visitor.newest(2).unwrap();
    assert_eq!(newest, [(partition.clone(), OffsetRange::new(2, 4))]);
    let mut found = Vec::new();
    let mut visit = |batch: &MessageBatch| {
        found.extend(messages(batch));
        ControlFlow::Continue(())
    };
    visitor.read(&partition, newest[0].1, &mut visit).unwrap();
    assert_eq!(found, numbered(&[(2, "c"), (3, "d")]));
}

fn stops(world: &dyn World) {
    let (mut connected, partition) = filled(world, "stop", &["a"]);
    let mut reader = connected.open(&partition, None).reader;
    connected.source.stop(Departure::ForGood);
    while connected.next_event().is_some() {}
    let mut batch = MessageBatch::new(partition, 0);
    let error = reader.fill(&mut batch, AMPLE, WAIT).unwrap_err();
    assert_eq!(error.remedy(), Remedy::Forget, "{error}");
}
