//! The fold of the log: everything that a worker must know, computed from the entries alone.
//! [`LogState::fold`] takes the bytes of the next slot; whoever folds the same slots has the same
//! state, whether writer, reader or simulation.

use std::collections::{BTreeMap, BTreeSet};

use millstream_model::entry::{
    Counters, DataFile, Entry, Epoch, PluginUse, Position, Sequence, SessionId, StateDelta,
};
use millstream_model::{Digest, TopicPartition};
use serde::{Deserialize, Serialize};

use crate::format::{FormatError, decode_entry};
use crate::handover::Handover;
use crate::rejection::Rejection;
use crate::rules::{Rule, Rules};
use crate::versions::{Pause, StepVersion};

/// A writer session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Name of the worker, the same over restarts.
    pub worker: String,
    /// Version of Millstream.
    #[serde(default)]
    pub version: String,
    /// Entry that opened it.
    pub opened: Sequence,
    /// When that was written, by its writer's clock, in microseconds since the epoch. For people.
    #[serde(default)]
    pub opened_at_us: i64,
    /// When its last entry was written, by the same clock.
    #[serde(default)]
    pub last_at_us: i64,
    /// Entry that closed it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Sequence>,
}

impl Session {
    /// True if it may not write any more.
    pub fn is_closed(&self) -> bool {
        self.closed.is_some()
    }
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
    pub(crate) sequence: Sequence,
    pub(crate) digest: Option<Digest>,
    pub(crate) boundary: Sequence,
    /// Highest format of an entry so far.
    pub(crate) format: u32,
    pub(crate) source: Option<BoundSource>,
    pub(crate) config: Option<Digest>,
    pub(crate) plugins: Vec<PluginUse>,
    /// Last entry of plugins, of format 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) plugins_changed: Option<Sequence>,
    /// Plugins that were desired once and are no more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) retired: BTreeSet<Digest>,
    /// Where streams stand in the last change of their plugins.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) handovers: BTreeMap<String, Handover>,
    /// Versions of steps, by stream and step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) versions: BTreeMap<String, BTreeMap<String, Vec<StepVersion>>>,
    /// Streams that are paused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) paused: BTreeMap<String, Pause>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) positions: BTreeMap<TopicPartition, Position>,
    /// Sessions that moved the positions last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) writers: BTreeMap<TopicPartition, SessionId>,
    /// Epochs of topics that began again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) epochs: BTreeMap<String, Epoch>,
    /// Ids that topics of the source had before they began again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) former_topics: BTreeMap<String, BTreeSet<String>>,
    /// Last entry that replayed messages of a partition.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) replayed: BTreeMap<TopicPartition, Sequence>,
    pub(crate) watermarks: BTreeMap<TopicPartition, i64>,
    /// Partitions that have been silent for long.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) idle: BTreeSet<TopicPartition>,
    /// What the watermarks of the partitions of a topic make together.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) topic_watermarks: BTreeMap<String, i64>,
    pub(crate) files: BTreeMap<String, BTreeMap<String, DataFile>>,
    /// Files that were replaced and may not be deleted yet, since readers may have them open: when
    /// they were, by the clock of who did it, in microseconds since the epoch.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) replaced: BTreeMap<String, i64>,
    pub(crate) states: BTreeMap<String, BTreeMap<i32, Vec<StateDelta>>>,
    pub(crate) totals: BTreeMap<String, Counters>,
    /// Sums of the counters of replays.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) replay_totals: BTreeMap<String, Counters>,
    /// Where a backup was restored: numbers that the log went on at, and the entry that each continues.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) restored: BTreeMap<Sequence, Sequence>,
}

/// A restored log goes on at a multiple of this number.
const RESTORED_STEP: Sequence = 1_000_000;

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

    /// Highest format version of an entry so far; 0 before the first entry.
    pub fn format(&self) -> u32 {
        self.format
    }

    /// Plugins that steps run from here on.
    pub fn plugins(&self) -> &[PluginUse] {
        &self.plugins
    }

    /// The last entry that said which plugins steps run, of format 3: the parent of the next one.
    pub fn plugins_changed(&self) -> Option<Sequence> {
        self.plugins_changed
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

    /// The session that moved each position last.
    pub fn writers(&self) -> &BTreeMap<TopicPartition, SessionId> {
        &self.writers
    }

    /// How often the offsets of `topic` have begun again.
    pub fn epoch(&self, topic: &str) -> Epoch {
        self.epochs.get(topic).copied().unwrap_or(0)
    }

    /// The last entry that replayed messages of `partition`, in the epoch of its topic.
    pub fn last_replay(&self, partition: &TopicPartition) -> Option<Sequence> {
        self.replayed.get(partition).copied()
    }

    /// Watermarks of partitions, in microseconds since the epoch. They never go back within an epoch.
    pub fn watermarks(&self) -> &BTreeMap<TopicPartition, i64> {
        &self.watermarks
    }

    /// True if the partition has been silent for so long that the others do not wait for it.
    pub fn is_idle(&self, partition: &TopicPartition) -> bool {
        self.idle.contains(partition)
    }

    /// Watermark of a topic, in microseconds since the epoch: the lowest one of its partitions that are not
    /// idle. It never goes back, whatever a partition does that wakes up.
    pub fn topic_watermark(&self, topic: &str) -> Option<i64> {
        self.topic_watermarks.get(topic).copied()
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

    /// Sums of the counters of all replays, by stream; [`LogState::totals`] keeps what was true at first.
    pub fn replay_totals(&self) -> &BTreeMap<String, Counters> {
        &self.replay_totals
    }

    /// Files that were replaced and are not deleted yet: when they were, in microseconds since the epoch.
    pub fn replaced(&self) -> &BTreeMap<String, i64> {
        &self.replaced
    }

    /// Where a backup was restored: numbers that the log went on at, and the entry that each continues.
    pub fn restored(&self) -> &BTreeMap<Sequence, Sequence> {
        &self.restored
    }

    /// The state that a log goes on with into which this one is restored from a backup. Its number is far
    /// behind `abandoned_head`, the last entry there was at the place: published as a snapshot there, it
    /// fences whoever still writes behind that entry. All sessions are closed, also the `abandoned` ones of the
    /// place, whose files no entry names any more.
    #[must_use]
    pub fn restore(mut self, abandoned_head: Sequence, abandoned: &BTreeMap<SessionId, Session>) -> Self {
        let from = self.sequence;
        // Not the next step, but the one behind it: entries may be written until the snapshot is there.
        let at = (from.max(abandoned_head) / RESTORED_STEP + 2) * RESTORED_STEP;
        self.sequence = at;
        self.boundary = at;
        self.restored.insert(at, from);
        for (session, known) in abandoned {
            self.sessions.entry(session.clone()).or_insert_with(|| known.clone());
        }
        for session in self.sessions.values_mut() {
            session.closed.get_or_insert(at);
        }
        self
    }

    /// True if `session`, which was open once, may not write any more because a backup was restored and not
    /// because another worker closed it.
    pub fn ended_by_restore(&self, session: &SessionId) -> bool {
        match self.sessions.get(session) {
            None => true,
            Some(session) => session.closed.is_some_and(|closed| self.restored.contains_key(&closed)),
        }
    }

    /// True if a file of a table or a state is in use.
    pub fn is_live(&self, path: &str) -> bool {
        let data = self.files.values().any(|files| files.contains_key(path));
        data || self.states.values().flat_map(BTreeMap::values).flatten().any(|delta| delta.path == path)
    }

    /// True if nothing refers to the file and nothing ever can: it was replaced before `replaced_before_us`,
    /// so that no reader has it open any more, or it was never named and its session is closed.
    pub fn is_garbage(&self, path: &str, replaced_before_us: i64) -> bool {
        if self.is_live(path) {
            return false;
        }
        match self.replaced.get(path) {
            Some(at_us) => *at_us < replaced_before_us,
            None => session_of(path)
                .and_then(|session| self.sessions.get(&session))
                .is_some_and(Session::is_closed),
        }
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
        self.format = self.format.max(entry.format);
        self.apply(&entry, rules);
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
}

/// The session that a file's name begins with: `a/b/day=2026-01-01/<session>-<number>.parquet`.
pub fn session_of(path: &str) -> Option<SessionId> {
    let name = path.rsplit('/').next()?;
    let (session, _) = name.rsplit_once('-')?;
    Some(SessionId(session.to_owned()))
}
