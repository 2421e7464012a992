//! Why an entry is not accepted, and what its writer can do about it.

use millstream_model::entry::{Epoch, Sequence, SessionId};
use millstream_model::{Digest, Offset, OffsetRange, TopicPartition};

/// The rule an entry breaks, with what was expected and found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A range does not begin where the last accepted one ended.
    #[error("{partition} continues at offset {expected}, not at {found}")]
    NotContiguous {
        /// The partition.
        partition: TopicPartition,
        /// Where the log stands.
        expected: Offset,
        /// Where the range begins.
        found: Offset,
    },
    /// A range holds no position, or runs backwards.
    #[error("range {range} of {partition} holds no position")]
    RangeEmpty {
        /// The partition.
        partition: TopicPartition,
        /// The range.
        range: OffsetRange,
    },
    /// No source has been bound yet.
    #[error("the log is bound to no source yet, but the entry has offsets of `{found}`")]
    SourceUnbound {
        /// Source of the entry.
        found: String,
    },
    /// Offsets of another source than the log's.
    #[error(
        "the log holds offsets of source `{bound}`, not of `{found}`: use another lake for another source"
    )]
    OtherSource {
        /// Source of the log.
        bound: String,
        /// Source of the entry.
        found: String,
    },
    /// A topic was deleted and created again.
    #[error("topic `{topic}` was created again: its id is `{found}`, the log holds offsets of `{bound}`")]
    TopicRecreated {
        /// The topic.
        topic: String,
        /// Id in the log.
        bound: String,
        /// Id now.
        found: String,
    },
    /// The writer's session is not open.
    #[error("session {session} is not open: another worker of its name took over, or it was never opened")]
    WriterNotOpen {
        /// The session.
        session: SessionId,
    },
    /// A session id was used before.
    #[error("session {session} was opened before")]
    SessionKnown {
        /// The session.
        session: SessionId,
    },
    /// A session is opened by another one.
    #[error("session {opened} must open itself; session {writer} cannot")]
    SessionOpenedByOther {
        /// Session of the entry.
        writer: SessionId,
        /// Session to be opened.
        opened: SessionId,
    },
    /// A session to be closed is not open.
    #[error("session {session} is not open, so it cannot be closed")]
    SessionNotOpen {
        /// The session.
        session: SessionId,
    },
    /// A file belongs to a session that is not open, so a cleaner may have deleted it.
    #[error("`{path}` belongs to session {session}, which is not open")]
    FileSessionNotOpen {
        /// The file.
        path: String,
        /// Its session.
        session: SessionId,
    },
    /// A file is not named for its session, so a cleaner could not tell whose it is.
    #[error("the name of `{path}` does not begin with `{session}-`")]
    FileMisnamed {
        /// The file.
        path: String,
        /// Its session.
        session: SessionId,
    },
    /// A file is or was live already.
    #[error("`{path}` is a live file of `{table}` already, or was one")]
    FileKnown {
        /// The table.
        table: String,
        /// The file.
        path: String,
    },
    /// A file does not belong to one partition that the entry processed.
    #[error("`{path}` holds rows of {}, of which the entry processes nothing", origin_name(.origin.as_ref()))]
    FileWithoutRange {
        /// The file.
        path: String,
        /// Partition of its rows.
        origin: Option<TopicPartition>,
    },
    /// A file holds rows of messages that the entry does not process.
    #[error("`{path}` holds rows of other messages than those that the entry processes")]
    FileOutsideRange {
        /// The file.
        path: String,
    },
    /// A file holds rows of several topics, or of another epoch of its topic than the log's.
    #[error("`{path}` holds rows of epoch {found} of `{topic}`, which is in epoch {expected}")]
    OtherEpoch {
        /// The file.
        path: String,
        /// The topic.
        topic: String,
        /// Epoch in the log.
        expected: Epoch,
        /// Epoch of the file.
        found: Epoch,
    },
    /// A merged file says that it holds rows of fewer messages than the files that it replaces, or they are of
    /// several topics or epochs.
    #[error("the file in the place of `{path}` does not say that it holds rows of the same messages")]
    OffsetsLost {
        /// The file that is replaced.
        path: String,
    },
    /// A topic is to begin again that the log knows already.
    #[error(
        "topic `{topic}` cannot begin again: the log knows it already, or it is not known to be another one"
    )]
    TopicKnown {
        /// The topic.
        topic: String,
    },
    /// A replay has no ranges.
    #[error("a replay of stream `{stream}` names no messages")]
    ReplayOfNothing {
        /// The stream.
        stream: String,
    },
    /// Messages are to be replayed that no entry accounts for.
    #[error("{range} of {partition} cannot be replayed: the log ends at {end} there")]
    NotAccepted {
        /// The partition.
        partition: TopicPartition,
        /// The positions.
        range: OffsetRange,
        /// Where the log stands.
        end: Offset,
    },
    /// Another replay of the partition was accepted in between, or its topic began again.
    #[error("messages of {partition} were replayed by another one at the same time")]
    ReplayParent {
        /// The partition.
        partition: TopicPartition,
    },
    /// A replay names a table twice.
    #[error("the entry replaces files of `{table}` twice")]
    TableTwice {
        /// The table.
        table: String,
    },
    /// The log's format would not rise.
    #[error("the log's format is {last} and cannot become {found}")]
    FormatNotRising {
        /// Format in force.
        last: u32,
        /// Format of the entry.
        found: u32,
    },
    /// State was computed from another state than the accepted one.
    #[error("state of `{step}`, task {task}, continues {}, not {}", digest_name(.expected.as_ref()), digest_name(.found.as_ref()))]
    StateParent {
        /// Stream and step.
        step: String,
        /// Task.
        task: i32,
        /// Last accepted state.
        expected: Option<Digest>,
        /// Parent that the entry names.
        found: Option<Digest>,
    },
    /// State of a task that the entry does not move.
    #[error("state of `{step}` is of task {task}, which has neither a range nor a watermark in the entry")]
    StateWithoutRange {
        /// Stream and step.
        step: String,
        /// Task.
        task: i32,
    },
    /// A watermark goes back.
    #[error("the watermark of {partition} is {last} µs and cannot go back to {found} µs")]
    WatermarkBack {
        /// The partition.
        partition: TopicPartition,
        /// Last accepted watermark.
        last: i64,
        /// Watermark of the entry.
        found: i64,
    },
    /// A plugin took part that the log does not desire at this place.
    #[error(
        "`{stream}/{step}` ran plugin {} with configuration {}, which the log does not desire here",
        plugin.short(), config.short()
    )]
    PluginNotDesired {
        /// Stream.
        stream: String,
        /// Step.
        step: String,
        /// Plugin of the entry.
        plugin: Digest,
        /// Configuration of the entry.
        config: Digest,
    },
    /// A step that the log desires at this place had no part in the stream's rows.
    #[error("`{stream}/{step}` took no part, though the log desires it here")]
    PluginLeftOut {
        /// Stream.
        stream: String,
        /// Step.
        step: String,
    },
    /// Plugins were changed by another one in between.
    #[error(
        "plugins were changed by another one at the same time: last in {}, and the entry changes those of {}",
        entry_name(*.last), entry_name(*.found)
    )]
    PluginsParent {
        /// Last entry of plugins.
        last: Option<Sequence>,
        /// The one that the entry names.
        found: Option<Sequence>,
    },
    /// An entry of plugins does not say which topic a stream reads.
    #[error("the entry desires plugins for stream `{stream}` and does not name its topic")]
    TopicUnnamed {
        /// Stream.
        stream: String,
    },
    /// A stream is to be paused that is paused.
    #[error("stream `{stream}` is paused already: {reason}")]
    AlreadyPaused {
        /// Stream.
        stream: String,
        /// Why it is paused.
        reason: String,
    },
    /// A stream is to be resumed that is not paused.
    #[error("stream `{stream}` is not paused, so it cannot be resumed")]
    NotPaused {
        /// Stream.
        stream: String,
    },
    /// Two plugins are desired for one step.
    #[error("`{stream}/{step}` is named twice")]
    StepTwice {
        /// Stream.
        stream: String,
        /// Step.
        step: String,
    },
    /// A file to be removed is not live.
    #[error("`{path}` is not a live file of `{table}`")]
    FileNotLive {
        /// The table.
        table: String,
        /// The file.
        path: String,
    },
    /// A file of another table than the one that is rewritten.
    #[error("`{path}` belongs to `{found}`, but the entry rewrites `{table}`")]
    FileOfOtherTable {
        /// Table of the entry.
        table: String,
        /// Table of the file.
        found: String,
        /// The file.
        path: String,
    },
    /// A rewrite would change the number of rows.
    #[error("rewriting `{table}` would make {removed} rows into {added}")]
    RowsChanged {
        /// The table.
        table: String,
        /// Rows of the removed files.
        removed: u64,
        /// Rows of the added files.
        added: u64,
    },
    /// The retention boundary does not rise.
    #[error("the retention boundary is {last} and cannot become {found}")]
    BoundaryNotRising {
        /// Boundary in force.
        last: Sequence,
        /// Boundary of the entry.
        found: Sequence,
    },
    /// The retention boundary is past the entries there are.
    #[error("the retention boundary cannot be {found}: the log ends at {head}")]
    BoundaryPastHead {
        /// Last entry.
        head: Sequence,
        /// Boundary of the entry.
        found: Sequence,
    },
}

/// What the writer of a rejected entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Throw the work of the entry's tasks away, load them from the log and go on.
    Reload,
    /// The session is over: stop, or open a new session and load everything from the log.
    Reopen,
    /// A person must change the configuration.
    Configure,
    /// The program is wrong.
    Bug,
}

impl Rejection {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::NotContiguous { .. }
            | Self::StateParent { .. }
            | Self::WatermarkBack { .. }
            | Self::PluginNotDesired { .. }
            | Self::PluginLeftOut { .. }
            | Self::PluginsParent { .. }
            | Self::AlreadyPaused { .. }
            | Self::NotPaused { .. }
            | Self::FileNotLive { .. }
            | Self::OtherEpoch { .. }
            | Self::TopicKnown { .. }
            | Self::ReplayParent { .. }
            | Self::FormatNotRising { .. }
            | Self::SessionNotOpen { .. }
            | Self::BoundaryNotRising { .. } => Remedy::Reload,
            Self::WriterNotOpen { .. } | Self::SessionKnown { .. } | Self::FileSessionNotOpen { .. } => {
                Remedy::Reopen
            }
            Self::SourceUnbound { .. } | Self::OtherSource { .. } | Self::TopicRecreated { .. } => {
                Remedy::Configure
            }
            Self::RangeEmpty { .. }
            | Self::SessionOpenedByOther { .. }
            | Self::FileMisnamed { .. }
            | Self::FileKnown { .. }
            | Self::FileWithoutRange { .. }
            | Self::FileOutsideRange { .. }
            | Self::NotAccepted { .. }
            | Self::OffsetsLost { .. }
            | Self::ReplayOfNothing { .. }
            | Self::TableTwice { .. }
            | Self::StateWithoutRange { .. }
            | Self::StepTwice { .. }
            | Self::TopicUnnamed { .. }
            | Self::FileOfOtherTable { .. }
            | Self::RowsChanged { .. }
            | Self::BoundaryPastHead { .. } => Remedy::Bug,
        }
    }
}

fn origin_name(origin: Option<&TopicPartition>) -> String {
    origin.map_or_else(|| "no single partition".to_owned(), ToString::to_string)
}

fn entry_name(entry: Option<Sequence>) -> String {
    entry.map_or_else(|| "none".to_owned(), |entry| format!("entry {entry}"))
}

fn digest_name(digest: Option<&Digest>) -> String {
    digest.map_or_else(|| "nothing".to_owned(), Digest::short)
}
