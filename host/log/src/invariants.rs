//! What must hold whatever happens, as pure functions over plain data. The simulation, debug builds
//! and end-to-end tests use the same ones; none of them knows how the data came about.

mod history;

use std::collections::BTreeMap;
use std::fmt;

use millstream_model::entry::{Body, Entry, Epoch, Sequence, SessionId};
use millstream_model::{Digest, Offset, TopicPartition};

use crate::format::decode_entry;
use crate::state::LogState;

pub use history::history_is_sound;

/// An invariant that does not hold, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// An accepted offset has more rows than it should.
    #[error("{table}: {row} is there more than once")]
    RowTwice {
        /// The table.
        table: String,
        /// The row.
        row: Row,
    },
    /// An accepted offset has no row.
    #[error("{table}: {row} was accepted and has no row")]
    RowMissing {
        /// The table.
        table: String,
        /// The row.
        row: Row,
    },
    /// A row of an offset that no entry accounts for.
    #[error("{table}: a row of {row}, which no entry accounts for")]
    RowUnaccounted {
        /// The table.
        table: String,
        /// The row.
        row: Row,
    },
    /// A row was made by another attempt at its message than the last accepted one.
    #[error("{table}: {row} was made by attempt {found}, and attempt {expected} was accepted last")]
    RowOutdated {
        /// The table.
        table: String,
        /// The row.
        row: Row,
        /// The attempt that was accepted.
        expected: Attempt,
        /// The attempt that made the row.
        found: Attempt,
    },
    /// Messages of one topic were accepted as those of another that has its name.
    #[error("entry {sequence}: messages of topic {found} were accepted as those of {expected:?}")]
    TopicMixed {
        /// The entry.
        sequence: Sequence,
        /// Id of the topic that the log is bound to.
        expected: Option<String>,
        /// Id of the topic that the messages are of.
        found: String,
    },
    /// A message was accepted twice.
    #[error("entry {sequence}: offset {offset} of {partition} is of a message that was accepted before")]
    MessageTwice {
        /// The entry.
        sequence: Sequence,
        /// The partition.
        partition: TopicPartition,
        /// The offset.
        offset: Offset,
    },
    /// A live file is gone from the store, or one that readers may have open.
    #[error("live file `{path}` is not in the store")]
    FileMissing {
        /// The file.
        path: String,
    },
    /// Ranges of a partition leave a gap or overlap.
    #[error("entry {sequence}: {partition} goes from {expected} to {found}")]
    RangeGap {
        /// The entry.
        sequence: Sequence,
        /// The partition.
        partition: TopicPartition,
        /// Where the range before ended.
        expected: Offset,
        /// Where this one begins.
        found: Offset,
    },
    /// A state is not what the accepted offsets make.
    #[error("state of `{step}`, task {task}, is {found}; the accepted offsets make {expected}")]
    StateWrong {
        /// Stream and step.
        step: String,
        /// Task.
        task: i32,
        /// Recomputed.
        expected: String,
        /// In the store.
        found: String,
    },
    /// Two views of one sequence differ, or a view is of another history.
    #[error("{view} differs from the log at entry {sequence}")]
    ViewDiffers {
        /// Whose view.
        view: String,
        /// The entry.
        sequence: Sequence,
    },
    /// A view was declared current and is behind.
    #[error("{view} takes {found} for the head of the log, which had reached {head}")]
    ViewStale {
        /// Whose view.
        view: String,
        /// Head when the reading began.
        head: Sequence,
        /// Head as read.
        found: Sequence,
    },
    /// A writer was told that its entry stands, and it does not.
    #[error("entry {sequence} of {view} was accepted and is not in the log")]
    AcceptedLost {
        /// The writer.
        view: String,
        /// The entry.
        sequence: Sequence,
    },
    /// A session wrote while it was not open.
    #[error("entry {sequence} is of session {session:?}, which was not open")]
    WriterNotOpen {
        /// The entry.
        sequence: Sequence,
        /// The session.
        session: SessionId,
    },
    /// An entry has offsets of another source.
    #[error("entry {sequence} is of source `{found}`, the log of `{bound}`")]
    SourceMixed {
        /// The entry.
        sequence: Sequence,
        /// Source of the log.
        bound: String,
        /// Source of the entry.
        found: String,
    },
    /// Rows of a plugin version that was not in force.
    #[error("entry {sequence}: a plugin took part that was not in force")]
    PluginNotInForce {
        /// The entry.
        sequence: Sequence,
    },
    /// Plugins were changed by somebody who did not know the last change.
    #[error("entry {sequence} undoes a change of plugins that its writer did not know")]
    ChangeUndone {
        /// The entry.
        sequence: Sequence,
    },
    /// The log names another version for a message than the one that made its rows.
    #[error(
        "offset {offset} of {partition} was processed by version {made_by:?}, and the log names {named:?}"
    )]
    VersionWrong {
        /// The partition.
        partition: TopicPartition,
        /// The offset.
        offset: Offset,
        /// Plugin that made the rows, if the step had a part in it.
        made_by: Option<Digest>,
        /// Plugin that the log names.
        named: Option<Digest>,
    },
    /// A stream was resumed that was not paused.
    #[error("entry {sequence}: stream {stream} was resumed and was not paused")]
    NotPaused {
        /// The entry.
        sequence: Sequence,
        /// The stream.
        stream: String,
    },
    /// A watermark went back.
    #[error("entry {sequence}: the watermark of {partition} goes back")]
    WatermarkBack {
        /// The entry.
        sequence: Sequence,
        /// The partition.
        partition: TopicPartition,
    },
    /// The watermark of a topic went back.
    #[error("entry {sequence}: the watermark of topic {topic} goes back")]
    TopicWatermarkBack {
        /// The entry.
        sequence: Sequence,
        /// The topic.
        topic: String,
    },
    /// The boundary went back.
    #[error("entry {sequence}: the boundary goes from {last} to {found}")]
    BoundaryBack {
        /// The entry.
        sequence: Sequence,
        /// Boundary before.
        last: Sequence,
        /// Boundary of the entry.
        found: Sequence,
    },
    /// An entry that was folded continues another history.
    #[error("entry {sequence} was folded and does not continue the one before it")]
    ChainBroken {
        /// The entry.
        sequence: Sequence,
    },
    /// A folded entry did not do what it says.
    #[error("entry {sequence} did not take effect: {what}")]
    NoEffect {
        /// The entry.
        sequence: Sequence,
        /// What is missing.
        what: String,
    },
}

/// One row of a table: what message it is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The partition.
    pub partition: TopicPartition,
    /// Epoch of its topic.
    pub epoch: Epoch,
    /// The offset.
    pub offset: Offset,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {} of {}, epoch {}", self.offset, self.partition, self.epoch)
    }
}

/// Which attempt at its message made a row: the first, or a replay.
pub type Attempt = u64;

/// Rows of the live files are exactly the `expected` ones, each once, and made by the attempt that was accepted
/// last.
pub fn rows_exactly_once(
    table: &str,
    expected: &BTreeMap<Row, Attempt>,
    rows: impl IntoIterator<Item = (Row, Attempt)>,
) -> Result<(), Violation> {
    let table = || table.to_owned();
    let mut seen = BTreeMap::new();
    for (row, attempt) in rows {
        if !expected.contains_key(&row) {
            return Err(Violation::RowUnaccounted { table: table(), row });
        }
        if seen.contains_key(&row) {
            return Err(Violation::RowTwice { table: table(), row });
        }
        seen.insert(row, attempt);
    }
    for (row, expected) in expected {
        match seen.get(row) {
            Some(found) if found == expected => {}
            Some(&found) => {
                let (row, expected) = (row.clone(), *expected);
                return Err(Violation::RowOutdated { table: table(), row, expected, found });
            }
            None => return Err(Violation::RowMissing { table: table(), row: row.clone() }),
        }
    }
    Ok(())
}

/// Files that were replaced at `since_us` or later, by the clock of who did it, are still in the store.
pub fn replaced_files_exist(
    state: &LogState,
    since_us: i64,
    exists: impl Fn(&str) -> bool,
) -> Result<(), Violation> {
    let mut kept = state.replaced().iter().filter(|(_, at_us)| **at_us >= since_us);
    match kept.find(|(path, _)| !exists(path)) {
        None => Ok(()),
        Some((path, _)) => Err(Violation::FileMissing { path: path.clone() }),
    }
}

/// Watermarks of topics are not lower than in the state before, whatever became of their partitions.
pub fn topic_watermarks_rise(before: &LogState, after: &LogState) -> Result<(), Violation> {
    let fell = |(topic, micros): &(&String, &i64)| after.topic_watermark(topic) < Some(**micros);
    match before.topic_watermarks.iter().find(fell) {
        None => Ok(()),
        Some((topic, _)) => {
            Err(Violation::TopicWatermarkBack { sequence: after.sequence(), topic: topic.clone() })
        }
    }
}

/// Every live file of tables and states is in the store.
pub fn live_files_exist(state: &LogState, exists: impl Fn(&str) -> bool) -> Result<(), Violation> {
    let data = state.files().values().flat_map(BTreeMap::keys);
    let states = state.states.values().flat_map(BTreeMap::values).flatten().map(|delta| &delta.path);
    match data.chain(states).find(|path| !exists(path)) {
        None => Ok(()),
        Some(path) => Err(Violation::FileMissing { path: path.clone() }),
    }
}

/// Two folds of the same entries are the same.
pub fn views_agree(name: &str, view: &LogState, truth: &LogState) -> Result<(), Violation> {
    if view.sequence() == truth.sequence() && view == truth {
        return Ok(());
    }
    Err(Violation::ViewDiffers { view: name.to_owned(), sequence: view.sequence() })
}

/// The version of a step that the log names for a message is the one that made its rows: `made` says by
/// partition and offset which did, none that the step had no part in it.
pub fn versions_are_named(
    state: &LogState,
    stream: &str,
    step: &str,
    made: impl IntoIterator<Item = (TopicPartition, Offset, Option<Digest>)>,
) -> Result<(), Violation> {
    for (partition, offset, made_by) in made {
        let named = state.version_at(stream, step, partition.partition, offset).map(|version| version.plugin);
        if named != made_by {
            return Err(Violation::VersionWrong { partition, offset, made_by, named });
        }
    }
    Ok(())
}

/// Slots as one reader folded them: each continues the one before, which is given by its bytes.
pub fn chain_is_unbroken(slots: &[impl AsRef<[u8]>]) -> Result<(), Violation> {
    for pair in slots.windows(2) {
        let before = Digest::of(pair[0].as_ref());
        match decode_entry(pair[1].as_ref()) {
            Ok(entry) if entry.previous != Some(before) => {
                return Err(Violation::ChainBroken { sequence: entry.sequence });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The state behind `entry` shows its effect.
pub fn entry_took_effect(state: &LogState, entry: &Entry) -> Result<(), Violation> {
    let absent = |what: String| Err(Violation::NoEffect { sequence: entry.sequence, what });
    let live = |table: &str, path: &str| state.files().get(table).is_some_and(|f| f.contains_key(path));
    let added = match &entry.body {
        Body::Data(data) => &data.files,
        Body::Replace(replace) => &replace.added,
        Body::Replay(replay) => &replay.tables.iter().flat_map(|table| table.added.clone()).collect(),
        Body::Control(_) => return Ok(()),
    };
    if let Some(file) = added.iter().find(|file| !live(&file.table, &file.path)) {
        return absent(format!("`{}` is not live", file.path));
    }
    let Body::Data(data) = &entry.body else { return Ok(()) };
    let ends: BTreeMap<_, _> = data.ranges.iter().map(|r| (&r.partition, r.range.end)).collect();
    match ends.into_iter().find(|(partition, end)| state.position(partition).offset != *end) {
        None => Ok(()),
        Some((partition, _)) => absent(format!("{partition} does not continue behind its range")),
    }
}
