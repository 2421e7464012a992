//! Reads `millstream.toml`. A file enters as text, is laid over with the environment ([`document`]),
//! becomes the types of [`typed`], and leaves [`check`] as a [`Config`] that is checked and ready:
//! nothing behind this module sees a key, a default or a unit.

mod check;
mod document;
mod error;
mod path;
mod typed;
mod units;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::Limits;
use millstream_model::schema::StreamSchema;

pub use document::ENVIRONMENT_PREFIX;
pub use error::ConfigError;

use crate::sink::SinkSettings;
use crate::source::SourceSettings;

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the tables and the log lie: a path or a URL.
    pub lake_url: String,
    /// Where messages come from.
    pub source: SourceSettings,
    /// How files are written.
    pub sink: Arc<SinkSettings>,
    /// When a checkpoint is taken.
    pub checkpoint: CheckpointPolicy,
    /// Folder of the `.wasm` files.
    pub plugins_dir: PathBuf,
    /// Folder for compiled plugins; none: they are compiled at each start.
    pub cache_dir: Option<PathBuf>,
    /// This process.
    pub worker: WorkerSettings,
    /// Address that health, metrics and taps are served at; none: they are not.
    pub http: Option<SocketAddr>,
    /// Streams, in the order of the file; never two of one topic.
    pub streams: Vec<StreamConfig>,
}

/// A checkpoint is taken as soon as one of these is reached.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointPolicy {
    /// Time since the last one, if there is anything to commit.
    pub interval: Duration,
    /// Messages since the last one.
    pub rows_max: u64,
    /// Bytes of table files since the last one.
    pub bytes_max: usize,
}

/// Settings of one worker process.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// Name of the worker, the same over restarts.
    pub name: String,
    /// CPU threads that run tasks.
    pub threads: usize,
    /// Messages in a batch at most.
    pub batch_rows_max: usize,
    /// Bytes of keys and values in a batch at most (one message may be larger).
    pub batch_bytes_max: usize,
}

/// One stream: a topic, its schema and its steps.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// Name of the stream, part of its tables' names.
    pub name: String,
    /// The topic.
    pub topic: String,
    /// What its messages hold.
    pub schema: Arc<StreamSchema>,
    /// Steps in their order; none: the stream has a raw table only.
    pub steps: Vec<StepConfig>,
}

/// One step of a stream.
#[derive(Clone, Debug)]
pub struct StepConfig {
    /// Name of the step, unique in its stream.
    pub name: String,
    /// Name of the plugin: the file `<plugin>.wasm` in the plugin folder.
    pub plugin: String,
    /// Configuration for the plugin: that beside the plugin, overlaid by the step's.
    pub config: serde_json::Value,
    /// Table of each output of the plugin.
    pub outputs: BTreeMap<String, String>,
    /// Limits from the file beside the plugin.
    pub limits: Limits,
    /// `file:line:column` of the step, for errors that are found later.
    pub place: String,
}

/// Reads a duration as the configuration writes it: `500ms`, `10s`, `5m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<units::Span>().map(|span| span.0)
}

/// Reads an address to listen at: `127.0.0.1:9464`, `[::1]:9464`; port 0 lets the system choose one.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    local.as_deref().unwrap_or(text).parse().map_err(|_| {
        format!("`{text}` is not an address and a port; expected something like \"127.0.0.1:9464\"")
    })
}

impl Config {
    /// Reads and checks the file at `path`, with `environment` laid over it. Relative paths in the
    /// file are relative to its folder.
    pub fn read(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        check::check(&document::Document::read(path, environment)?)
    }

    /// The lake that the file at `path` names, whatever else is in it: all that a look at a lake needs.
    pub fn lake_url(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<String, ConfigError> {
        check::lake_only(&document::Document::read(path, environment)?)
    }

    /// The address that the file at `path` has a run serve HTTP at, whatever else is in it.
    pub fn http(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Option<SocketAddr>, ConfigError> {
        check::http_only(&document::Document::read(path, environment)?)
    }
}
