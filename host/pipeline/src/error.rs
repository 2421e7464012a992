//! Why a run ended.

use millstream_engine::{EngineError, LoadError};
use millstream_model::TopicPartition;

use crate::checkpoint::{AppendError, LogError};
use crate::config::ConfigError;
use crate::lake::LakeError;
use crate::plan::PlanError;
use crate::sink::UploadError;
use crate::source::SourceError;
use crate::task::TaskError;

/// A run that could not start or could not go on. What was committed before is safe.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
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
        "the lake {lake} holds the offsets of source {bound}, and this is source {found}: offsets of two \
         sources must not be mixed; use another lake.url, or connect to the source it belongs to"
    )]
    AnotherSource {
        /// The lake.
        lake: String,
        /// Identity of the source it belongs to.
        bound: String,
        /// Identity of the source at hand.
        found: String,
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
    /// The log cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
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
    /// True if nothing but a change of the configuration or of a plugin helps.
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::Config(_) | Self::Plan(_) | Self::Plugin { .. })
    }
}
