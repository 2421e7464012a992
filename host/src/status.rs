//! What `millstream status` knows: a lake's log, its source and the processes that were reached, put
//! together. Pure; `status/text.rs` makes it readable. Workers meet only in the source's group and in the log,
//! so both are asked, and where they differ the reason says so.

mod reason;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use millstream_log::LogState;
use millstream_log::state::Session;
use millstream_model::TopicPartition;
use millstream_pipeline::source::{GroupView, SourceView, TopicView};
use millstream_pipeline::telemetry::Status;
use serde::Serialize;

use reason::Facts;
pub use text::Text;

/// A process that was looked at.
pub struct Process {
    /// Where it is.
    pub url: String,
    /// Its status, or why there is none.
    pub status: Result<Status, String>,
}

/// All that was seen.
pub struct Seen<'a> {
    /// Where the lake is.
    pub lake: &'a str,
    /// Its log.
    pub log: &'a LogState,
    /// Streams with their topics.
    pub streams: Vec<(String, String)>,
    /// The source, or why it could not be looked at.
    pub source: Result<SourceView, String>,
    /// Processes that were asked.
    pub processes: Vec<Process>,
}

/// Workers, tasks, positions and lag of a lake.
#[derive(Debug, Serialize)]
pub struct Report {
    lake: String,
    /// Last entry of the log.
    checkpoint: u64,
    /// Identity of the source; none if it does not answer.
    source: Option<String>,
    /// Why the source could not be looked at.
    source_error: Option<String>,
    /// The source that the log's offsets are of.
    bound_to: Option<String>,
    group: Option<Group>,
    workers: Vec<Worker>,
    topics: Vec<Topic>,
    /// Messages not committed yet; none if not all ends are known.
    lag: Option<u64>,
    /// Partitions and topics that wait.
    waiting: usize,
}

/// The consumer group.
#[derive(Debug, Serialize)]
struct Group {
    name: String,
    protocol: String,
    state: String,
}

/// A worker, as the log and the group know it.
#[derive(Debug, Default, Serialize)]
struct Worker {
    name: String,
    /// Its open session in the log.
    session: Option<String>,
    version: Option<String>,
    /// When the session was opened and wrote its last entry, microseconds since the epoch by its own clock.
    opened_at_us: Option<i64>,
    last_entry_at_us: Option<i64>,
    /// Where its group member connects from.
    host: Option<String>,
    /// Partitions that it holds.
    partitions: usize,
    /// Messages of them that are not committed yet.
    lag: Option<u64>,
    /// Where its process was asked, and what that says against its doing its work.
    url: Option<String>,
    reasons: Vec<String>,
}

/// A topic.
#[derive(Debug, Serialize)]
struct Topic {
    stream: String,
    topic: String,
    id: Option<String>,
    lag: Option<u64>,
    /// Why all of it waits.
    reason: Option<String>,
    partitions: Vec<Partition>,
}

/// A partition.
#[derive(Debug, Serialize)]
struct Partition {
    partition: i32,
    /// Next position to be committed.
    position: Option<i64>,
    low: Option<i64>,
    end: Option<i64>,
    lag: Option<u64>,
    /// Messages that the source deleted before they were read; the next read passes over them.
    expired: u64,
    /// Worker that holds it.
    worker: Option<String>,
    /// Worker whose entry moved it last.
    writer: Option<String>,
    /// Why it waits.
    reason: Option<String>,
}

impl Report {
    /// Puts together what was seen.
    pub fn new(seen: &Seen<'_>) -> Self {
        let view = seen.source.as_ref().ok();
        let group = view.and_then(|view| view.group.as_ref());
        let holders = holders(group);
        let topics: Vec<_> =
            seen.streams.iter().map(|(stream, name)| seen.topic(stream, name, &holders)).collect();
        let partitions = || topics.iter().flat_map(|topic| &topic.partitions);
        let waiting = topics.iter().filter(|topic| topic.reason.is_some()).count()
            + partitions().filter(|partition| partition.reason.is_some()).count();
        Self {
            lake: seen.lake.to_owned(),
            checkpoint: seen.log.sequence(),
            source: view.map(|view| view.identity.clone()),
            source_error: seen.source.as_ref().err().cloned(),
            bound_to: seen.log.source().map(|bound| bound.source.clone()),
            group: group.map(|group| Group {
                name: group.name.clone(),
                protocol: group.protocol.clone(),
                state: group.state.clone(),
            }),
            workers: seen.workers(group, &topics),
            lag: topics.iter().map(|topic| topic.lag).sum(),
            waiting,
            topics,
        }
    }

    /// True if no topic and no partition waits.
    pub fn all_run(&self) -> bool {
        self.waiting == 0
    }
}

impl Seen<'_> {
    fn topic(&self, stream: &str, name: &str, holders: &BTreeMap<TopicPartition, String>) -> Topic {
        let view = self.source.as_ref().ok().and_then(|view| view.topics.get(name));
        let reason = reason::of_topic(self, name, view);
        let mut numbers: BTreeSet<i32> =
            view.iter().flat_map(|view| view.partitions.keys().copied()).collect();
        let known = self.log.positions().keys().filter(|at| *at.topic == *name);
        numbers.extend(known.map(|at| at.partition));
        let all_wait = reason.is_some();
        let partition = |number| {
            let at = TopicPartition::new(name, number);
            let mut partition = self.partition(&at, view, holders.get(&at));
            // What holds for all of the topic is said once.
            if all_wait {
                partition.reason = None;
            }
            partition
        };
        let partitions: Vec<_> = numbers.into_iter().map(partition).collect();
        Topic {
            stream: stream.to_owned(),
            topic: name.to_owned(),
            id: view.and_then(|view| view.id.clone()),
            lag: view.and_then(|_| partitions.iter().map(|partition| partition.lag).sum()),
            reason,
            partitions,
        }
    }

    fn partition(&self, at: &TopicPartition, view: Option<&TopicView>, holder: Option<&String>) -> Partition {
        let position = self.log.positions().get(at).map(|position| position.offset);
        let ends = view.and_then(|view| view.partitions.get(&at.partition)).copied().unwrap_or_default();
        let next = position.unwrap_or(0).max(ends.low.unwrap_or(0));
        let writer = self.log.writers().get(at).and_then(|session| self.log.sessions().get(session));
        let facts = Facts { at, position, ends, holder: holder.map(String::as_str) };
        Partition {
            partition: at.partition,
            position,
            low: ends.low,
            end: ends.end,
            lag: ends.end.map(|end| u64::try_from(end - next).unwrap_or(0)),
            expired: ends.low.map_or(0, |low| u64::try_from(low - position.unwrap_or(0)).unwrap_or(0)),
            worker: holder.cloned().or_else(|| self.reader(at)),
            writer: writer.map(|session| session.worker.clone()),
            reason: reason::of_partition(self, &facts),
        }
    }

    /// Of sources without groups, the process that says that it reads the partition.
    fn reader(&self, at: &TopicPartition) -> Option<String> {
        let mut statuses = self.processes.iter().filter_map(|process| process.status.as_ref().ok());
        let reads = |status: &&Status| {
            let mut partitions = status.source.partitions.iter();
            partitions.any(|read| read.partition == at.partition && *read.topic == *at.topic)
        };
        statuses.find(reads).map(|status| status.worker.clone())
    }

    fn workers(&self, group: Option<&GroupView>, topics: &[Topic]) -> Vec<Worker> {
        let mut workers: BTreeMap<String, Worker> = BTreeMap::new();
        let members = group.iter().flat_map(|group| &group.members);
        let hosts: BTreeMap<_, _> = members.map(|member| (member.worker(), &member.host)).collect();
        let open = self.log.sessions().iter().filter(|(_, session)| !session.is_closed());
        for (id, session) in open {
            let worker = workers.entry(session.worker.clone()).or_default();
            // Of several open ones, those before the last belong to runs that ended.
            if worker.opened_at_us.is_none_or(|opened| opened <= session.opened_at_us) {
                worker.open(&id.0, session);
            }
        }
        for name in hosts.keys() {
            workers.entry((*name).to_owned()).or_default();
        }
        for process in &self.processes {
            let Ok(status) = &process.status else { continue };
            let worker = workers.entry(status.worker.clone()).or_default();
            worker.url = Some(process.url.clone());
            worker.reasons.clone_from(&status.readiness.reasons);
        }
        let partitions = || topics.iter().flat_map(|topic| &topic.partitions);
        for (name, worker) in &mut workers {
            let held = || partitions().filter(|partition| partition.worker.as_ref() == Some(name));
            worker.name.clone_from(name);
            worker.host = hosts.get(name.as_str()).map(|host| (*host).clone());
            worker.partitions = held().count();
            worker.lag = held().map(|partition| partition.lag).sum();
        }
        // With a group, an open session without a member is that of a run that ended.
        let is_there = |worker: &Worker| worker.host.is_some() || worker.url.is_some() || group.is_none();
        workers.into_values().filter(is_there).collect()
    }
}

impl Worker {
    fn open(&mut self, id: &str, session: &Session) {
        self.session = Some(id.to_owned());
        self.version = Some(session.version.clone()).filter(|version| !version.is_empty());
        self.opened_at_us = Some(session.opened_at_us);
        self.last_entry_at_us = Some(session.last_at_us);
    }
}

/// Names of the workers by the partitions that the group says they hold.
fn holders(group: Option<&GroupView>) -> BTreeMap<TopicPartition, String> {
    let members = group.iter().flat_map(|group| &group.members);
    let held = members
        .flat_map(|member| member.partitions.iter().map(|at| (at.clone(), member.worker().to_owned())));
    held.collect()
}
