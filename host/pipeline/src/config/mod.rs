//! Reads `millstream.toml`. A file enters as text, is laid over with the environment ([`document`]),
//! becomes the types of [`typed`], and leaves [`check`] as a [`Config`] that is checked and ready:
//! nothing behind this module sees a key, a default or a unit. The sections that other files hold too are read in
//! `millstream-settings`.

mod admin;
mod check;
mod circuit;
mod dead_letters;
mod difference;
mod edits;
mod log;
mod merge;
mod routes;
mod secrets;
mod shadow;
mod signatures;
mod sources;
mod steps;
mod typed;
mod watermark;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::{Grants, Limits};
use millstream_model::schema::StreamSchema;
use millstream_settings::{document, schema, units};
use millstream_signing::Signatures;

pub use admin::{AdminSettings, Token};
pub use circuit::{CircuitPolicy, ErrorBudget, OnCircuit};
pub use difference::differing_keys;
pub use edits::edited_keys;
pub use log::LogPolicy;
pub use millstream_settings::document::ENVIRONMENT_PREFIX;
pub use millstream_settings::{ConfigError, Placed};
pub use secrets::{Secret, Secrets};

use crate::decode::iso8601;
use crate::merge::MergeSettings;
use crate::shadow::ShadowPolicy;
use crate::sink::SinkSettings;
use crate::source::{KafkaSettings, SourceSettings};
use crate::watermark::WatermarkSettings;

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
    /// How the checkpoint log is kept short.
    pub log: LogPolicy,
    /// How small files are merged, if they are.
    pub merge: Option<MergeSettings>,
    /// Folder of the `.wasm` files.
    pub plugins_dir: PathBuf,
    /// Folder for compiled plugins; none: they are compiled at each start.
    pub cache_dir: Option<PathBuf>,
    /// Whose signature a plugin must have.
    pub signatures: Arc<Signatures>,
    /// Values that headers of plugins' requests are made of.
    pub secrets: Arc<Secrets>,
    /// Where dead letters are published besides their table, if they are.
    pub dead_letter_topic: Option<DeadLetterTopic>,
    /// This process.
    pub worker: WorkerSettings,
    /// Address that health, metrics and taps are served at; none: they are not.
    pub http: Option<SocketAddr>,
    /// Who may change the run over HTTP; none: nobody.
    pub admin: Option<AdminSettings>,
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

/// A topic that dead letters are published to.
#[derive(Clone, Debug)]
pub struct DeadLetterTopic {
    /// Name of the topic; none of the streams'.
    pub topic: String,
    /// The cluster it is on: that of the source.
    pub kafka: KafkaSettings,
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
#[derive(Clone, Debug, PartialEq)]
pub struct StreamConfig {
    /// Name of the stream, part of its tables' names.
    pub name: String,
    /// The topic.
    pub topic: String,
    /// What its messages hold.
    pub schema: Arc<StreamSchema>,
    /// How its event time is followed; none if it has none.
    pub watermark: Option<Placed<WatermarkSettings>>,
    /// Steps in their order. With neither steps nor routes the stream has a raw table only.
    pub steps: Vec<StepConfig>,
    /// Tables that rows behind the last step go to, besides the curated one; never two of one table.
    pub routes: Vec<RouteConfig>,
}

/// A table that rows of a stream go to. What its texts say of columns is checked with the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteConfig {
    /// Name of the table.
    pub table: Placed<String>,
    /// Predicate that a row must match; none: all rows.
    pub condition: Option<Placed<String>>,
    /// Columns of the table beside the system columns; none: all.
    pub columns: Option<Placed<Vec<String>>>,
}

/// What is done with a plugin that is put into the plugin folder, once it is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDropIn {
    /// It takes over at once.
    #[default]
    Swap,
    /// It runs beside the live version, and takes over if it keeps the step's thresholds.
    ShadowThenSwap,
    /// It waits until somebody promotes it.
    Hold,
}

/// One step of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StepConfig {
    /// Name of the step, unique in its stream.
    pub name: String,
    /// Name of the plugin: the file `<plugin>.wasm` in the plugin folder.
    pub plugin: String,
    /// Configuration for the plugin: that beside the plugin, overlaid by the step's.
    pub config: serde_json::Value,
    /// Table of each output of the plugin.
    pub outputs: BTreeMap<String, String>,
    /// Limits: the step's own, over those beside the plugin, over those for all, over the engine's.
    pub limits: Limits,
    /// What the plugin may touch, from the same file.
    pub grants: Grants,
    /// What a new version in the plugin folder is for.
    pub on_drop_in: OnDropIn,
    /// What the shadow of such a version must show, if it is to run as one first.
    pub shadow: ShadowPolicy,
    /// What its circuit opens at, and what becomes of the stream then.
    pub circuit: CircuitPolicy,
    /// `file:line:column` of the step, for errors that are found later.
    pub place: String,
}

impl StreamConfig {
    /// True if the two mean the same, wherever in their files they stand.
    pub fn is_same(&self, other: &Self) -> bool {
        let placeless = |stream: &Self| {
            let mut stream = stream.clone();
            stream.steps.iter_mut().for_each(|step| step.place.clear());
            stream
        };
        placeless(self) == placeless(other)
    }
}

/// Reads a duration as the configuration writes it: `500ms`, `10s`, `5m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<units::Span>().map(|span| span.0)
}

/// Reads a size as the configuration writes it: `512`, `64MiB`, `64MB`.
pub fn size(text: &str) -> Result<usize, String> {
    text.parse::<units::ByteSize>().map(|size| size.0)
}

/// Reads the name of a time zone: `Europe/London`.
pub fn zone(text: &str) -> Result<String, String> {
    schema::known_zone(text).map(|()| text.to_owned())
}

/// Reads a moment: an ISO-8601 text (UTC if it has no offset), or a duration before `now_us`. Gives
/// microseconds since the epoch.
pub fn moment(text: &str, now_us: i64) -> Result<i64, String> {
    if let Some(days) = iso8601::parse_date(text) {
        return Ok(i64::from(days) * 86_400_000_000);
    }
    if let Some(time) = iso8601::parse(text) {
        return Ok(time.local_us - time.offset_us.unwrap_or(0));
    }
    let before = duration(text).map_err(|_| {
        format!("`{text}` is neither a time such as 2026-01-31T08:00:00Z nor a duration such as 15m")
    })?;
    Ok(now_us - i64::try_from(before.as_micros()).unwrap_or(i64::MAX))
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

    /// File of the plugin of this name.
    pub fn plugin_file(&self, plugin: &str) -> PathBuf {
        self.plugins_dir.join(format!("{plugin}.wasm"))
    }

    /// As [`Config::read`], but every stream is without its steps, so that no plugin need be there: what
    /// a look at topics needs.
    pub fn read_without_steps(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        check::check_without_steps(&document::Document::read(path, environment)?)
    }

    /// The lake that the file at `path` names, whatever else is in it: all that a look at a lake needs.
    pub fn lake_url(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<String, ConfigError> {
        check::lake_only(&document::Document::read(path, environment)?)
    }

    /// How the file at `path` has the log kept short, whatever else is in it.
    pub fn log(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<LogPolicy, ConfigError> {
        log::log_only(&document::Document::read(path, environment)?)
    }

    /// The address that the file at `path` has a run serve HTTP at, whatever else is in it.
    pub fn http(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Option<SocketAddr>, ConfigError> {
        check::http_only(&document::Document::read(path, environment)?)
    }

    /// The token of the admin API that the file at `path` names, whatever else is in it.
    pub fn admin_token(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Option<Token>, ConfigError> {
        admin::token_only(&document::Document::read(path, environment)?)
    }
}
