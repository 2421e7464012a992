//! The fold of the log: everything that a worker must know, computed from the entries alone.
//! [`LogState::fold`] takes the bytes of the next slot; whoever folds the same slots has the same
//! state, whether writer, reader or simulation.

use std::collections::{BTreeMap, BTreeSet};

use millstream_model::entry::{
    Body, ConsumedRange, Control, Counters, Data, DataFile, Entry, PluginUse, Position, Replace, Sequence,
    SessionId, StateDelta,
};
use millstream_model::{Digest, TopicPartition};
use serde::{Deserialize, Serialize};

use crate::format::{FormatError, decode_entry};
use crate::rejection::Rejection;
use crate::rules::{Rule, Rules};

/// A writer session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Name of the worker, the same over restarts.
    pub worker: String,
    /// Entry that opened it.
    pub opened: Sequence,
    /// Entry that closed it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Sequence>,
}

/// The source whose offsets the log holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundSource {
    /// Its identity.
    pub source: String,
    /// Topic ids, where the source gives them.
    pub topics: BTreeMap<String, String>,
}

/// State after the entries up to and including [`LogState::sequence`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogState {
    sequence: Sequence,
    digest: Option<Digest>,
    boundary: Sequence,
    pub(crate) source: Option<BoundSource>,
    config: Option<Digest>,
    pub(crate) plugins: Vec<PluginUse>,
    /// Plugins that were desired once and are no more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    retired: BTreeSet<Digest>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) positions: BTreeMap<TopicPartition, Position>,
    pub(crate) watermarks: BTreeMap<TopicPartition, i64>,
    pub(crate) files: BTreeMap<String, BTreeMap<String, DataFile>>,
    /// Files that were replaced, kept while their session is open: until then they could be named again.
    pub(crate) removed: BTreeMap<SessionId, BTreeSet<String>>,
    pub(crate) states: BTreeMap<String, BTreeMap<i32, Vec<StateDelta>>>,
    totals: BTreeMap<String, Counters>,
}

/// What became of a slot's entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Folded {
    /// It stands.
    Accepted(Entry),
    /// It breaks a rule and has no effect, for any reader.
    Ignored(Entry, Rejection),
}

/// A slot that does not continue the log: nothing may be concluded from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The bytes are no entry.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The entry was written for another slot.
    #[error("it says that it is entry {found}")]
    Misplaced {
        /// Sequence that the entry says.
        found: Sequence,
    },
    /// The entry continues another history.
    #[error("it continues another history of the log than the entry before it (was a backup restored?)")]
    Chain {
        /// Digest of the entry before.
        expected: Option<Digest>,
        /// Digest that the entry names.
        found: Option<Digest>,
    },
}

impl LogState {
    /// Last entry folded; 0 before the first.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Digest of the last entry's bytes.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Boundary of the last retention entry; 0 before the first.
    pub fn boundary(&self) -> Sequence {
        self.boundary
    }

    /// The bound source.
    pub fn source(&self) -> Option<&BoundSource> {
        self.source.as_ref()
    }

    /// Configuration that a worker last started with.
    pub fn config(&self) -> Option<Digest> {
        self.config
    }

    /// Plugins that steps run from here on.
    pub fn plugins(&self) -> &[PluginUse] {
        &self.plugins
    }

    /// True if `plugin` was desired by some step once and is by none now: a copy of it that lies about
    /// is an old one.
    pub fn has_retired(&self, plugin: Digest) -> bool {
        self.retired.contains(&plugin)
    }

    /// Sessions, open and closed.
    pub fn sessions(&self) -> &BTreeMap<SessionId, Session> {
        &self.sessions
    }

    /// True if `session` may write.
    pub fn is_open(&self, session: &SessionId) -> bool {
        self.sessions.get(session).is_some_and(|session| session.closed.is_none())
    }

    /// Where each partition continues.
    pub fn positions(&self) -> &BTreeMap<TopicPartition, Position> {
        &self.positions
    }

    /// Where `partition` continues; a partition that the log does not know starts at 0.
    pub fn position(&self, partition: &TopicPartition) -> Position {
        self.positions.get(partition).cloned().unwrap_or(Position { offset: 0, cursor: None })
    }

    /// Watermarks in microseconds since the epoch.
    pub fn watermarks(&self) -> &BTreeMap<TopicPartition, i64> {
        &self.watermarks
    }

    /// Live files by table and path.
    pub fn files(&self) -> &BTreeMap<String, BTreeMap<String, DataFile>> {
        &self.files
    }

    /// Files from which the state of a step and task is loaded, in their order; the first is a
    /// snapshot or the beginning. Empty if there is none yet.
    pub fn state_files(&self, step: &str, task: i32) -> &[StateDelta] {
        self.states.get(step).and_then(|tasks| tasks.get(&task)).map_or(&[], Vec::as_slice)
    }

    /// Last accepted state of a step and task: the parent of the next one.
    pub fn state_head(&self, step: &str, task: i32) -> Option<Digest> {
        self.state_files(step, task).last().map(|delta| delta.digest)
    }

    /// Sums of the counters of all entries, by stream.
    pub fn totals(&self) -> &BTreeMap<String, Counters> {
        &self.totals
    }

    /// True if a file of a table or a state is in use.
    pub fn is_live(&self, path: &str) -> bool {
        let data = self.files.values().any(|files| files.contains_key(path));
        data || self.states.values().flat_map(BTreeMap::values).flatten().any(|delta| delta.path == path)
    }

    /// True if nothing refers to the file and nothing ever can: its session is closed.
    pub fn is_garbage(&self, path: &str) -> bool {
        let session = session_of(path).and_then(|session| self.sessions.get(&session));
        session.is_some_and(|session| session.closed.is_some()) && !self.is_live(path)
    }

    /// Open sessions of `worker` other than `session`: what earlier runs left behind.
    pub fn earlier_sessions(&self, worker: &str, session: &SessionId) -> Vec<SessionId> {
        let earlier =
            |(id, s): &(&SessionId, &Session)| s.closed.is_none() && s.worker == worker && *id != session;
        self.sessions.iter().filter(earlier).map(|(id, _)| id.clone()).collect()
    }

    /// Takes the bytes of slot `sequence() + 1`. An entry that breaks a rule is passed over; bytes
    /// that do not continue the log leave the state as it was.
    pub fn fold(&mut self, bytes: &[u8], rules: &Rules) -> Result<Folded, FoldError> {
        let entry = decode_entry(bytes)?;
        self.check_chain(&entry, rules)?;
        let verdict = self.check(&entry, rules);
        self.sequence = entry.sequence;
        self.digest = Some(Digest::of(bytes));
        if let Err(rejection) = verdict {
            return Ok(Folded::Ignored(entry, rejection));
        }
        self.apply(&entry);
        debug_assert_eq!(crate::invariants::entry_took_effect(self, &entry), Ok(()));
        Ok(Folded::Accepted(entry))
    }

    fn check_chain(&self, entry: &Entry, rules: &Rules) -> Result<(), FoldError> {
        if entry.sequence != self.sequence + 1 {
            return Err(FoldError::Misplaced { found: entry.sequence });
        }
        if rules.has(Rule::HashChain) && entry.previous != self.digest {
            return Err(FoldError::Chain { expected: self.digest, found: entry.previous });
        }
        Ok(())
    }

    fn apply(&mut self, entry: &Entry) {
        match &entry.body {
            Body::Data(data) => self.apply_data(data),
            Body::Replace(replace) => self.apply_replace(replace),
            Body::Control(control) => self.apply_control(control, entry.sequence),
        }
    }

    fn apply_data(&mut self, data: &Data) {
        for ConsumedRange { partition, range, cursor, .. } in &data.ranges {
            self.positions.insert(partition.clone(), Position { offset: range.end, cursor: *cursor });
        }
        data.files.iter().for_each(|file| self.add_file(file));
        data.states.iter().for_each(|delta| self.apply_state(delta));
        for watermark in &data.watermarks {
            self.watermarks.insert(watermark.partition.clone(), watermark.micros);
        }
        for (stream, counters) in &data.counters {
            self.totals.entry(stream.clone()).or_default().add(counters);
        }
    }

    fn apply_replace(&mut self, replace: &Replace) {
        let files = self.files.entry(replace.table.clone()).or_default();
        for file in replace.removed.iter().filter_map(|path| files.remove(path)) {
            if self.sessions.get(&file.session).is_some_and(|session| session.closed.is_none()) {
                self.removed.entry(file.session).or_default().insert(file.path);
            }
        }
        replace.added.iter().for_each(|file| self.add_file(file));
    }

    fn apply_control(&mut self, control: &Control, sequence: Sequence) {
        match control {
            Control::SessionOpened { session, worker, .. } => {
                let opened = Session { worker: worker.clone(), opened: sequence, closed: None };
                self.sessions.insert(session.clone(), opened);
            }
            Control::SessionClosed { session } => {
                self.removed.remove(session);
                if let Some(session) = self.sessions.get_mut(session) {
                    session.closed = Some(sequence);
                }
            }
            Control::SourceBound { source, topics } => {
                let bound = self
                    .source
                    .get_or_insert_with(|| BoundSource { source: source.clone(), topics: BTreeMap::new() });
                bound.topics.extend(topics.clone());
            }
            Control::Plugins { desired } => self.apply_plugins(desired),
            Control::Configured { config } => self.config = Some(*config),
            Control::Retention { boundary } => self.boundary = *boundary,
        }
    }

    fn apply_plugins(&mut self, desired: &[PluginUse]) {
        self.retired.extend(self.plugins.iter().map(|used| used.plugin));
        self.plugins = desired.to_vec();
        for used in &self.plugins {
            self.retired.remove(&used.plugin);
        }
    }

    fn apply_state(&mut self, delta: &StateDelta) {
        let files = self.states.entry(delta.step.clone()).or_default().entry(delta.task).or_default();
        if delta.snapshot {
            files.clear();
        }
        files.push(delta.clone());
    }

    fn add_file(&mut self, file: &DataFile) {
        self.files.entry(file.table.clone()).or_default().insert(file.path.clone(), file.clone());
    }
}

/// The session that a file's name begins with: `a/b/day=2026-01-01/<session>-<number>.parquet`.
pub fn session_of(path: &str) -> Option<SessionId> {
    let name = path.rsplit('/').next()?;
    let (session, _) = name.rsplit_once('-')?;
    Some(SessionId(session.to_owned()))
}
