//! Where messages come from. A [`Source`] tells the run loop, by events, which partitions are its
//! to read; a worker thread then opens a [`PartitionReader`] for each and polls it directly, so that
//! no message crosses a channel. A source knows nothing of schemas, tables or checkpoints: it is
//! given positions, and gives bytes.

mod error;
mod event;
mod file_identity;
mod file_reader;
mod file_sample;
mod file_scan;
mod file_view;
mod files;
mod kafka;
mod kafka_admin;
mod kafka_check;
mod kafka_group;
mod kafka_log;
mod kafka_outage;
mod kafka_partitions;
mod kafka_producer;
mod kafka_properties;
mod kafka_reader;
mod kafka_sample;
mod kafka_topics;
mod kafka_view;
mod sample;
mod view;
mod visit;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use millstream_model::entry::Position;
use millstream_model::{MessageBatch, Offset, OffsetRange, TopicPartition};
use tokio::sync::mpsc;

pub use error::{Remedy, SourceError};
pub use event::{Acknowledgement, SourceEvent};
pub(crate) use kafka_producer::producer;
pub use sample::{SampleSize, sample};
pub use view::{Ends, GroupView, MemberView, SourceView, TopicView, look};
pub use visit::Visitor;

/// Something that holds topics of partitions of messages.
pub trait Source: Send + Sync {
    /// Names what the offsets belong to: `kafka:<cluster id>` or `files:<identity>`. The same after a
    /// restart; another one if the same address now holds other messages.
    fn identity(&self) -> &str;

    /// Ids of the topics as they are now, where the source gives them; a topic that does not exist has none.
    /// Another id under a name means another topic: the offsets of the earlier one say nothing of it.
    ///
    /// # Errors
    /// If the source does not answer.
    fn topic_ids(&self) -> Result<BTreeMap<String, String>, SourceError>;

    /// Begins to read a partition at `position`, which comes from the checkpoint log. `None` means
    /// that it was never read: the reader begins where the partition does, or where
    /// [`Start`] says. Opening a partition again takes it from its earlier reader.
    ///
    /// # Errors
    /// If the partition is not assigned, or does not have that position (any more).
    fn open(&self, partition: &TopicPartition, position: Option<&Position>) -> Result<Opened, SourceError>;

    /// Tells the source how far processing has come, for tools that show lag. Nothing is ever read
    /// back from it; the call does not wait for the outcome.
    fn commit(&self, positions: &[(TopicPartition, Offset)]) -> Result<(), SourceError>;

    /// Ends the source's threads and its membership in a group, and waits for that a few seconds at
    /// most. Readers give nothing more. Nobody needs to listen for events any more, but a receiver that
    /// is kept without being read can use up the wait.
    fn stop(&self, departure: Departure);
}

/// How a worker leaves those that it shares a source with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It will be back: where it has a name in its group, its partitions wait for it as long as its session lasts.
    Restart,
    /// Its partitions go to others at once.
    ForGood,
}

/// A partition that is ready to be read.
pub struct Opened {
    /// Reads the partition.
    pub reader: Box<dyn PartitionReader>,
    /// Positions that will never be read, directly before the reader's first one. None at all if only that is to be
    /// noted, where the reader begins.
    pub skipped: Option<Skipped>,
}

impl std::fmt::Display for SourceSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kafka(kafka) => write!(f, "the cluster at {}", kafka.brokers),
            Self::Files(files) => write!(f, "the folder {}", files.dir.display()),
        }
    }
}

/// Positions that are left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The positions.
    pub range: OffsetRange,
    /// Why, for people.
    pub reason: String,
}

/// Reads one partition, from one thread.
pub trait PartitionReader: Send {
    /// Adds what there is to `batch`, up to `limits`; if there is nothing, waits for it, at most
    /// `wait`. Messages that come before an error are given first, without it. The batch's range and
    /// cursor are right afterwards, also after an error: messages in the batch are good, and the error
    /// comes again if its cause stays.
    ///
    /// The batch must end at or before [`position`](Self::position).
    fn fill(
        &mut self,
        batch: &mut MessageBatch,
        limits: FillLimits,
        wait: Duration,
    ) -> Result<(), SourceError>;

    /// The position of the next message to be read: where the next batch begins.
    fn position(&self) -> Position;

    /// Where the partition ends as last heard; `None` if that is not known (yet). The difference to
    /// [`position`](Self::position) is the lag: it is 0 only if the reader came to the end, also where
    /// the last positions hold no message. Costs no request.
    fn end_offset(&self) -> Option<Offset>;
}

/// When a batch counts as full. A batch may exceed `bytes` by its last message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillLimits {
    /// Messages.
    pub rows: usize,
    /// Bytes of keys and values; more than 1 GiB is taken as 1 GiB.
    pub bytes: usize,
}

impl FillLimits {
    /// A batch holds at most 4 GiB; one message of a source at most 2.
    const BYTES_MAX: usize = 1 << 30;

    fn reached(self, batch: &MessageBatch) -> bool {
        batch.len() >= self.rows || batch.bytes() >= self.bytes.min(Self::BYTES_MAX)
    }
}

/// Which source, and its settings.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceSettings {
    /// A Kafka cluster.
    Kafka(KafkaSettings),
    /// A folder of files.
    Files(FilesSettings),
}

/// Settings of the Kafka source.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaSettings {
    /// Brokers to begin with: `host:port`, several with commas.
    pub brokers: String,
    /// Consumer group, under which workers share partitions.
    pub group: String,
    /// Where to begin in a partition that was never read.
    pub start: Start,
    /// How long to wait for a broker, at start and in requests.
    pub timeout: Duration,
    /// Name of this worker in the group.
    pub worker: String,
    /// Whether the group knows this worker again.
    pub membership: Membership,
    /// How the group shares partitions out.
    pub protocol: GroupProtocol,
    /// How long partitions that go to another worker wait for what was read of them to be committed.
    pub revoke_timeout: Duration,
    /// Raw librdkafka properties.
    pub properties: BTreeMap<String, String>,
}

impl KafkaSettings {
    /// Settings with the defaults: start at the earliest message, wait for brokers 10 s, as one member among
    /// others of the classic protocol, which commits within 10 s what it must give away.
    pub fn new(brokers: impl Into<String>, group: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            group: group.into(),
            start: Start::Earliest,
            timeout: Duration::from_secs(10),
            worker: "worker-0".to_owned(),
            membership: Membership::Dynamic,
            protocol: GroupProtocol::Classic,
            revoke_timeout: Duration::from_secs(10),
            properties: BTreeMap::new(),
        }
    }
}

/// Whether a consumer group knows a worker again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// By its name, so that a restart moves no partition.
    Static,
    /// Not at all: it leaves at its end and joins as somebody new.
    Dynamic,
}

/// How a consumer group shares partitions out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupProtocol {
    /// By the member that leads the group; all members stop for it.
    Classic,
    /// By the broker, from Kafka 4 on (KIP-848); only partitions that move stand still.
    Consumer,
}

/// Where to begin in a partition that was never read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the oldest message that is still there.
    #[default]
    Earliest,
    /// Behind the newest message; those before become a skipped range.
    Latest,
}

/// Settings of the files source.
#[derive(Clone, Debug, PartialEq)]
pub struct FilesSettings {
    /// Folder that holds `<topic>/<partition>.jsonl`.
    pub dir: PathBuf,
    /// How often to look for more lines and new files.
    pub poll_interval: Duration,
    /// Longest line. One that is longer stops its partition.
    pub line_bytes_max: usize,
}

impl FilesSettings {
    /// Settings with the defaults: look every 100 ms, lines up to 64 MiB.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), poll_interval: Duration::from_millis(100), line_bytes_max: 64 << 20 }
    }
}

/// Checks what can be known of settings without connecting: the brokers' addresses, names and values of
/// the librdkafka properties, or the folder.
///
/// # Errors
/// What is wrong, with its key.
pub fn check(settings: &SourceSettings) -> Result<(), SourceError> {
    match settings {
        SourceSettings::Kafka(settings) => kafka_check::check(settings),
        SourceSettings::Files(settings) => files::check(settings),
    }
}

/// Connects to a source and begins to send `events` about `topics`. The sender is dropped when the
/// source has stopped.
///
/// # Errors
/// If the source cannot be reached or its settings are wrong. A topic that does not exist yet is no
/// error: it is waited for.
pub fn connect(
    settings: &SourceSettings,
    topics: &[String],
    events: mpsc::Sender<SourceEvent>,
) -> Result<Arc<dyn Source>, SourceError> {
    match settings {
        SourceSettings::Kafka(settings) => {
            Ok(Arc::new(kafka::KafkaSource::connect(settings, topics, events)?))
        }
        SourceSettings::Files(settings) => {
            Ok(Arc::new(files::FilesSource::connect(settings, topics, events)?))
        }
    }
}
