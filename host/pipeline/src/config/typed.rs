//! The configuration as typed: what `millstream.toml` may hold, key by key. Nothing but
//! [`super::check`] sees these types.

mod trust;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::Deserializer;

pub use millstream_settings::typed::{Column, EventTime, Limits, Ordered, SchemaKeys, UnknownFields};
pub use trust::{KeyFile, PinnedKey, PinnedKeys, Secret};

use millstream_settings::units::{ByteSize, Span};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub lake: Lake,
    #[serde(default)]
    pub source: Source,
    #[serde(default)]
    pub checkpoint: Checkpoint,
    #[serde(default)]
    pub log: Log,
    #[serde(default)]
    pub merge: Merge,
    #[serde(default)]
    pub plugins: Plugins,
    #[serde(default)]
    pub dead_letters: DeadLetters,
    #[serde(default)]
    pub worker: Worker,
    #[serde(default)]
    pub http: Http,
    pub admin: Option<Admin>,
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    pub streams: Ordered<Stream>,
}

/// The part of the file that a look at a lake needs.
#[derive(Deserialize)]
pub struct LakeOnly {
    pub lake: Lake,
}

/// The part of the file that upkeep of a lake needs.
#[derive(Deserialize)]
pub struct LogOnly {
    #[serde(default)]
    pub log: Log,
}

/// The part of the file that a look at a running process needs.
#[derive(Deserialize)]
pub struct HttpOnly {
    #[serde(default)]
    pub http: Http,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub listen: Option<String>,
}

/// The part of the file that whoever changes a running process needs.
#[derive(Deserialize)]
pub struct AdminOnly {
    pub admin: Option<Admin>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    pub token: Option<TokenText>,
    pub token_file: Option<PathBuf>,
    #[serde(default)]
    pub remote: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lake {
    pub url: String,
    pub file_bytes: Option<ByteSize>,
    pub open_files: Option<usize>,
}

/// Exactly one of them; an enum's own errors would not say so in words of the file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub kafka: Option<Kafka>,
    pub files: Option<Files>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    pub brokers: String,
    #[serde(default = "default_group")]
    pub group: String,
    #[serde(default)]
    pub start: Start,
    pub timeout: Option<Span>,
    pub membership: Option<Membership>,
    #[serde(default)]
    pub protocol: GroupProtocol,
    pub revoke_timeout: Option<Span>,
    #[serde(default)]
    pub properties: BTreeMap<String, Property>,
}

/// librdkafka takes text; a number or a boolean is as good.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string, a number or a boolean")]
pub enum Property {
    Text(String),
    Number(i64),
    Flag(bool),
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    #[default]
    Earliest,
    Latest,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    Static,
    Dynamic,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupProtocol {
    #[default]
    Classic,
    Consumer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    pub dir: PathBuf,
    pub poll_interval: Option<Span>,
    pub line_bytes_max: Option<ByteSize>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    pub interval: Option<Span>,
    pub rows: Option<u64>,
    pub bytes: Option<ByteSize>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub snapshot_every: Option<u64>,
    pub keep_entries: Option<u64>,
    pub keep_replaced: Option<Span>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merge {
    pub enabled: Option<bool>,
    pub target_size: Option<ByteSize>,
    pub files_min: Option<usize>,
    pub interval: Option<Span>,
    pub cpu_share: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugins {
    pub dir: Option<PathBuf>,
    pub cache_dir: Option<PathBuf>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub require_signature: bool,
    #[serde(default)]
    pub keys: BTreeMap<String, PinnedKeys>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetters {
    pub topic: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    pub name: Option<String>,
    pub threads: Option<usize>,
    pub batch_rows: Option<usize>,
    pub batch_bytes: Option<ByteSize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    pub topic: String,
    pub event_time: Option<EventTime>,
    pub watermark: Option<Watermark>,
    #[serde(default)]
    pub unknown_fields: UnknownFields,
    pub schema: Ordered<Column>,
    #[serde(default)]
    pub steps: Vec<Step>,
    #[serde(default)]
    pub routes: Vec<Route>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watermark {
    pub delay: Option<Span>,
    pub ahead_max: Option<Span>,
    pub idle: Option<Span>,
    #[serde(default)]
    pub late: Late,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    #[default]
    Keep,
    Flag,
    Table,
    DeadLetters,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub plugin: String,
    pub name: Option<String>,
    #[serde(default)]
    pub config: toml::Table,
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub on_drop_in: OnDropIn,
    #[serde(default)]
    pub on_circuit: OnCircuit,
    pub error_budget: Option<ErrorBudget>,
    pub shadow: Option<Shadow>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDropIn {
    #[default]
    Swap,
    ShadowThenSwap,
    Hold,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCircuit {
    #[default]
    LastGood,
    Pause,
    DeadLetters,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shadow {
    pub r#for: Option<Span>,
    pub rows_min: Option<u64>,
    pub different_max: Option<f64>,
    pub rejected_more_max: Option<f64>,
    pub slower_max: Option<f64>,
    pub traps_max: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorBudget {
    pub share: Option<f64>,
    pub window: Option<Span>,
    pub rows_min: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    pub table: String,
    pub r#where: Option<String>,
    pub columns: Option<Vec<String>>,
}

/// A text that no error repeats.
pub struct TokenText(pub String);

impl<'de> Deserialize<'de> for TokenText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = toml::Value::deserialize(deserializer)?;
        let text = text.as_str().map(str::to_owned).map(Self);
        text.ok_or_else(|| serde::de::Error::custom("expected a text; put it in quotes"))
    }
}

fn default_group() -> String {
    "millstream".to_owned()
}
