//! Why a run ended.

use millstream_engine::{EngineError, LoadError};
use millstream_model::TopicPartition;
use millstream_model::entry::Sequence;
use millstream_signing::SignatureError;

use crate::checkpoint::{AppendError, LogError};
use crate::config::ConfigError;
use crate::lake::{Lake, LakeError};
use crate::plan::PlanError;
use crate::sink::UploadError;
use crate::sink::read::ReadError;
use crate::source::SourceError;
use crate::task::TaskError;

/// A run that could not start or could not go on. What was committed before is safe.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A table's column has another type than the table's rows have already.
    #[error(
        "table {table}: column `{column}` is now {now}, and the table's files have it as {before}; restore its type, \
         or give the column, the stream or the lake another name"
    )]
    ColumnType {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Type that the configuration makes it.
        now: String,
        /// Type in the files.
        before: String,
    },
    /// The rows of a table cannot be looked at.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A stream does not hold together.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A plugin cannot be loaded.
    #[error("{place}: {source}")]
    Plugin {
        /// Its file, or where it lies in the lake.
        place: String,
        /// What is wrong with it.
        source: LoadError,
    },
    /// A plugin is not signed as it must be.
    #[error("{place}: {source}")]
    Signature {
        /// The plugin's file, or where its signature would lie in the lake.
        place: String,
        /// What is wrong.
        source: SignatureError,
    },
    /// The signature beside a plugin cannot be read.
    #[error("cannot read the signature {path}: {source}")]
    SignatureFile {
        /// The signature's file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The engine cannot start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The lake cannot be used.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// A plugin's bytes cannot be kept in, or fetched from, the lake.
    #[error("the plugin at {path} cannot be stored or fetched: {source}")]
    PluginBytes {
        /// Where it lies in the lake.
        path: String,
        /// What the store says.
        source: object_store::Error,
    },
    /// The lake's log is of another source.
    #[error(
        "the lake {lake} holds the offsets of source {bound}, and {place} is source {found}: offsets of two \
         sources must not be mixed; use another lake.url, connect to the source it belongs to, or let the lake go \
         on with this one from its beginning by `millstream adopt --source`"
    )]
    AnotherSource {
        /// The lake.
        lake: String,
        /// Identity of the source it belongs to.
        bound: String,
        /// The source at hand, as the configuration names it.
        place: String,
        /// Its identity.
        found: String,
    },
    /// A topic is not the one whose offsets the lake's log holds.
    #[error(
        "topic `{topic}` was deleted and created anew: its id is {found}, and the lake {lake} holds offsets of the \
         topic {bound}; `millstream adopt --topic {topic}` lets the lake go on with the new one from its beginning, \
         beside the rows of the old one"
    )]
    TopicRecreated {
        /// The topic.
        topic: String,
        /// The lake.
        lake: String,
        /// Id of the topic that the lake knows.
        bound: String,
        /// Id of the topic that is there.
        found: String,
    },
    /// All there is has been committed, and some topics are not there at all.
    #[error(
        "all there is has been read and committed, but {place} has no topic `{topics}`; create it, or correct the \
         topic of its stream"
    )]
    MissingTopics {
        /// The source, as the configuration names it.
        place: String,
        /// The topics.
        topics: String,
    },
    /// What the log desires is there and cannot be run here.
    #[error("the plugins that the log desires cannot be run here: {reason}")]
    NotFollowed {
        /// Why.
        reason: String,
    },
    /// A plugin has no file.
    #[error("{place}: `{key}`: no plugin `{plugin}`: {file} does not exist")]
    NoPlugin {
        /// `file:line:column` in the configuration.
        place: String,
        /// Dotted key.
        key: String,
        /// The plugin.
        plugin: String,
        /// The file that should be there.
        file: String,
    },
    /// All there is has been committed but for a stream that is held or paused.
    #[error(
        "all that could be read has been committed, but stream `{stream}` is not read: {reason}; give its step \
         another version or configuration, or resume it"
    )]
    NotRead {
        /// The stream.
        stream: String,
        /// Why it is not read.
        reason: String,
    },
    /// All else has been committed, and a stream cannot be read on with here.
    #[error("stream `{stream}` is not read on with: {reason}")]
    StreamWaits {
        /// The stream.
        stream: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The source failed for good.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A task failed for good.
    #[error("{partition}: {error}")]
    Task {
        /// The partition.
        partition: TopicPartition,
        /// Why.
        error: TaskError,
    },
    /// A file could not be stored.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The lake's store did not do what a run needs, for as long as patience lasted.
    #[error(
        "{what} (tried {attempts} times): {lake}; nothing that was committed is lost, start again to continue from it"
    )]
    Store {
        /// What was to be done.
        what: String,
        /// How often it was tried.
        attempts: u32,
        /// What the store's answer means.
        lake: LakeError,
    },
    /// The log cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Another process of this worker's name has taken over.
    #[error(
        "another millstream run of the name `{worker}` has taken this lake over, so this one stops; stop one of \
         them for good, or give each a worker.name of its own"
    )]
    TakenOver {
        /// The name.
        worker: String,
    },
    /// Somebody closed this run's session.
    #[error(
        "entry {entry} of the checkpoint log closed this run's session, so this one stops: a topic or source was \
         adopted, or `millstream tables clean --close` named this worker; start it again"
    )]
    SessionClosed {
        /// The entry.
        entry: Sequence,
    },
    /// A backup was restored at the lake's place.
    #[error(
        "the lake was restored from a backup while this run wrote to it, so this run stops; nothing is lost: start \
         again to read what came after the backup from the source once more"
    )]
    Restored,
    /// The log did not take an entry, and trying again does not help.
    #[error("{0}; start again to continue from the log")]
    Refused(AppendError),
    /// A thread could not be started or died.
    #[error("{what}; this is a bug")]
    Thread {
        /// What happened.
        what: String,
    },
}

impl RunError {
    /// The same with the remedy, if a request to the store of `lake` is what failed.
    pub(crate) fn at_lake(self, lake: &Lake) -> Self {
        match self {
            Self::Upload(UploadError::Store { path, attempts, source }) => {
                Self::Store { what: format!("cannot create `{path}`"), attempts, lake: lake.explain(&source) }
            }
            Self::Log(LogError::Store { what, attempts, source, .. })
            | Self::Refused(AppendError::Log(LogError::Store { what, attempts, source, .. })) => {
                Self::Store { what: format!("cannot {what}"), attempts, lake: lake.explain(&source) }
            }
            Self::Refused(AppendError::Log(error)) => Self::Log(error),
            error => error,
        }
    }

    /// True if the lake's offsets are not of the source at hand.
    pub fn is_of_another_source(&self) -> bool {
        matches!(self, Self::AnotherSource { .. } | Self::TopicRecreated { .. })
    }

    /// True if it is the file of a plugin that cannot be used, whatever the configuration says of it.
    pub fn is_of_plugin_file(&self) -> bool {
        matches!(
            self,
            Self::Plugin { .. } | Self::NoPlugin { .. } | Self::Signature { .. } | Self::SignatureFile { .. }
        )
    }

    /// True if nothing but a change of the configuration or of a plugin helps.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Config(_)
                | Self::Plan(_)
                | Self::Plugin { .. }
                | Self::NoPlugin { .. }
                | Self::Signature { .. }
                | Self::SignatureFile { .. }
                | Self::ColumnType { .. }
        )
    }
}
