//! From the configuration as typed to one that is checked and ready. Every error names the key.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::TimeUnit;
use millstream_engine::Limits;
use millstream_model::columns;
use millstream_model::schema::{ColumnSpec, ColumnType, EventTime, Mismatch, StreamSchema, UnknownFields};

use super::dead_letters::dead_letters;
use super::document::Document;
use super::error::ConfigError;
use super::log::log;
use super::merge::merge;
use super::sources::source;
use super::watermark::watermark;
use super::{CheckpointPolicy, Config, StepConfig, StreamConfig, WorkerSettings, path, routes, typed};
use crate::lake::Lake;
use crate::sink::{DAY, SinkSettings};
use crate::watermark::LatePolicy;

/// Shortest deadline of a call: the engine looks at the clock every 10 ms.
const DEADLINE_MIN: Duration = Duration::from_millis(10);
/// Smallest memory of a plugin: a Rust guest begins with 1 MiB of stack.
const MEMORY_MIN: usize = 1 << 20;

/// Checks the document.
pub fn check(document: &Document) -> Result<Config, ConfigError> {
    file(document, document.deserialize().map_err(hint_at_quotes)?)
}

/// Checks the document but for its steps, which are left out: their plugins need not be there.
pub fn check_without_steps(document: &Document) -> Result<Config, ConfigError> {
    let mut typed: typed::File = document.deserialize().map_err(hint_at_quotes)?;
    typed.streams.0.iter_mut().for_each(|(_, stream)| stream.steps.clear());
    file(document, typed)
}

fn file(document: &Document, file: typed::File) -> Result<Config, ConfigError> {
    let plugins_dir = resolve(document, file.plugins.dir.unwrap_or_else(|| PathBuf::from("plugins")));
    let streams = streams(document, file.streams, &plugins_dir)?;
    let worker = worker(document, file.worker)?;
    let source = source(document, file.source, &worker.name)?;
    Ok(Config {
        lake_url: lake_url(document, file.lake.url.clone())?,
        dead_letter_topic: dead_letters(document, file.dead_letters, &source, &streams)?,
        source,
        sink: Arc::new(sink(document, &file.lake)?),
        checkpoint: checkpoint(document, &file.checkpoint)?,
        log: log(document, &file.log)?,
        merge: merge(document, &file.merge)?,
        cache_dir: file.plugins.cache_dir.map(|dir| resolve(document, dir)),
        plugins_dir,
        worker,
        http: http(document, file.http)?,
        streams,
    })
}

/// The URL of the lake, whatever else the file says.
pub fn lake_only(document: &Document) -> Result<String, ConfigError> {
    let file: typed::LakeOnly = document.deserialize()?;
    lake_url(document, file.lake.url)
}

/// The address that a run serves HTTP at, whatever else the file says.
pub fn http_only(document: &Document) -> Result<Option<SocketAddr>, ConfigError> {
    let file: typed::HttpOnly = document.deserialize()?;
    http(document, file.http)
}

fn http(document: &Document, typed: typed::Http) -> Result<Option<SocketAddr>, ConfigError> {
    let listen = typed.listen.map(|text| super::listen_address(&text));
    listen.transpose().map_err(|message| document.error(&["http", "listen"], message))
}

/// `location.lat = "float64"` is TOML for a table `location`, which is not what its writer meant.
fn hint_at_quotes(error: ConfigError) -> ConfigError {
    match error {
        ConfigError::Invalid { place, key, message }
            if key.starts_with("streams.")
                && key.contains(".schema.")
                && message.starts_with("unknown field") =>
        {
            let message = format!(
                "{message}; a column whose name has a dot is written in quotes: \"location.lat\" = …"
            );
            ConfigError::Invalid { place, key, message }
        }
        error => error,
    }
}

pub(super) fn resolve(document: &Document, path: PathBuf) -> PathBuf {
    document.folder().join(path)
}

fn lake_url(document: &Document, url: String) -> Result<String, ConfigError> {
    if url.is_empty() {
        return Err(
            document.error(&["lake", "url"], "empty; expected a folder or a URL such as s3://bucket/lake")
        );
    }
    if let Err(error) = Lake::check(&url) {
        return Err(document.error(&["lake", "url"], error.to_string()));
    }
    let is_path = !url.contains("://");
    Ok(if is_path { resolve(document, PathBuf::from(url)).to_string_lossy().into_owned() } else { url })
}

fn sink(document: &Document, lake: &typed::Lake) -> Result<SinkSettings, ConfigError> {
    let mut settings = SinkSettings::default();
    if let Some(size) = lake.file_bytes {
        settings.file_bytes_max = positive(document, &["lake", "file_bytes"], size.0)?;
    }
    if let Some(count) = lake.open_files {
        settings.open_files_max = positive(document, &["lake", "open_files"], count)?;
    }
    Ok(settings)
}

fn checkpoint(document: &Document, typed: &typed::Checkpoint) -> Result<CheckpointPolicy, ConfigError> {
    let interval = typed.interval.map_or(Duration::from_secs(10), |span| span.0);
    let bytes_max = typed.bytes.map_or(256 << 20, |size| size.0);
    let rows_max = typed.rows.unwrap_or(5_000_000);
    if interval < Duration::from_millis(10) {
        return Err(document.error(&["checkpoint", "interval"], "shorter than 10ms"));
    }
    if rows_max == 0 {
        return Err(document.error(&["checkpoint", "rows"], "must be 1 at least"));
    }
    Ok(CheckpointPolicy {
        interval,
        rows_max,
        bytes_max: positive(document, &["checkpoint", "bytes"], bytes_max)?,
    })
}

fn worker(document: &Document, typed: typed::Worker) -> Result<WorkerSettings, ConfigError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(WorkerSettings {
        name: typed.name.unwrap_or_else(|| "worker-0".to_owned()),
        threads: positive(document, &["worker", "threads"], typed.threads.unwrap_or(cores))?,
        batch_rows_max: positive(document, &["worker", "batch_rows"], typed.batch_rows.unwrap_or(8192))?,
        batch_bytes_max: positive(
            document,
            &["worker", "batch_bytes"],
            typed.batch_bytes.map_or(8 << 20, |size| size.0),
        )?,
    })
}

pub(super) fn positive(document: &Document, keys: &[&str], number: usize) -> Result<usize, ConfigError> {
    if number == 0 { Err(document.error(keys, "must be 1 at least")) } else { Ok(number) }
}

fn streams(
    document: &Document,
    typed: typed::Ordered<typed::Stream>,
    plugins_dir: &Path,
) -> Result<Vec<StreamConfig>, ConfigError> {
    if typed.0.is_empty() {
        return Err(document.error(&["streams"], "no stream; declare one as [streams.NAME]"));
    }
    let names: Vec<_> = typed.0.iter().map(|(name, _)| name.clone()).collect();
    let mut topics = HashMap::new();
    let mut streams = Vec::new();
    for (name, stream) in typed.0 {
        if !is_name(&name) {
            let message = "a stream's name is part of its tables' names: letters, digits, `_` and `-` only";
            return Err(document.error(&["streams", &name], message));
        }
        if !is_topic(&stream.topic) {
            return Err(document.error(&["streams", &name, "topic"], TOPIC_RULE));
        }
        if let Some(other) = topics.insert(stream.topic.clone(), name.clone()) {
            let message = format!("topic `{}` is that of stream `{other}` already", stream.topic);
            return Err(document.error(&["streams", &name, "topic"], message));
        }
        let watermark = watermark(document, &name, &stream)?;
        let flags_late = watermark.as_ref().is_some_and(|placed| placed.value.late == LatePolicy::Flag);
        let schema = StreamSchema { flags_late, ..schema(document, &name, &stream)? };
        let steps = steps(document, &name, stream.steps, plugins_dir)?;
        let routes = routes::routes(document, &name, &names, stream.routes)?;
        let (topic, schema) = (stream.topic, Arc::new(schema));
        streams.push(StreamConfig { name, topic, schema, watermark, steps, routes });
    }
    Ok(streams)
}

pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// What [`is_topic`] asks for.
pub(super) const TOPIC_RULE: &str =
    "not a topic's name: 1 to 249 letters, digits, `.`, `_` and `-`, and not `.` or `..`";

/// Kafka's own rule.
pub(super) fn is_topic(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=249).contains(&name.len()) && name.chars().all(legal) && name != "." && name != ".."
}

fn schema(document: &Document, stream: &str, typed: &typed::Stream) -> Result<StreamSchema, ConfigError> {
    if typed.schema.0.is_empty() {
        return Err(document.error(&["streams", stream, "schema"], "no column declared"));
    }
    let columns =
        typed.schema.0.iter().map(|(name, column)| self::column(document, stream, name, &column.table));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    one_column_per_path(document, stream, &columns)?;
    let event_time = typed.event_time.as_ref().map(|typed| event_time(document, stream, typed, &columns));
    let unknown = match typed.unknown_fields {
        typed::UnknownFields::Ignore => UnknownFields::Ignore,
        typed::UnknownFields::Keep => UnknownFields::Keep,
        typed::UnknownFields::Reject => UnknownFields::Reject,
    };
    Ok(StreamSchema { columns, unknown, event_time: event_time.transpose()?, flags_late: false })
}

fn column(
    document: &Document,
    stream: &str,
    name: &str,
    typed: &typed::ColumnTable,
) -> Result<ColumnSpec, ConfigError> {
    let error = |key: &str, message: String| {
        let keys = ["streams", stream, "schema", name, key];
        document.error(if key.is_empty() { &keys[..4] } else { &keys }, message)
    };
    if columns::is_system(name) {
        return Err(error("", "names that begin with an underscore are kept for millstream".to_owned()));
    }
    if name == DAY {
        return Err(error(
            "",
            format!("tables are partitioned by `{DAY}`; name the column otherwise and add path = \"{DAY}\""),
        ));
    }
    if typed.r#type != typed::ColumnType::Timestamp && (typed.zone.is_some() || typed.epoch.is_some()) {
        let key = if typed.zone.is_some() { "zone" } else { "epoch" };
        return Err(error(key, "only a column of type \"timestamp\" has one".to_owned()));
    }
    if let Some(zone) = &typed.zone {
        known_zone(zone).map_err(|message| error("zone", message))?;
    }
    let mismatch = match typed.mismatch {
        typed::Mismatch::Error => Mismatch::Error,
        _ if typed.required => {
            let message = "a required column is never null; take out `required` or `mismatch`";
            return Err(error("mismatch", message.to_owned()));
        }
        typed::Mismatch::Null => Mismatch::Null,
        typed::Mismatch::Json if typed.r#type != typed::ColumnType::String => {
            let message = "only a column of type \"string\" can hold JSON in place of its own values";
            return Err(error("mismatch", message.to_owned()));
        }
        typed::Mismatch::Json => Mismatch::Json,
    };
    let first = match &typed.path {
        Some(text) => path::parse(text).map_err(|message| error("path", message))?,
        None => path::parse(name).map_err(|message| error("", message))?,
    };
    let aliases = typed.aliases.iter().map(|alias| path::parse(alias));
    let aliases = aliases.collect::<Result<Vec<_>, _>>().map_err(|message| error("aliases", message))?;
    Ok(ColumnSpec {
        name: name.to_owned(),
        ty: column_type(typed),
        required: typed.required,
        mismatch,
        paths: std::iter::once(first).chain(aliases).collect(),
    })
}

fn column_type(typed: &typed::ColumnTable) -> ColumnType {
    match typed.r#type {
        typed::ColumnType::Boolean => ColumnType::Boolean,
        typed::ColumnType::Int32 => ColumnType::Int32,
        typed::ColumnType::Int64 => ColumnType::Int64,
        typed::ColumnType::Float32 => ColumnType::Float32,
        typed::ColumnType::Float64 => ColumnType::Float64,
        typed::ColumnType::String => ColumnType::Utf8,
        typed::ColumnType::Date => ColumnType::Date,
        typed::ColumnType::Timestamp => {
            ColumnType::Timestamp { zone: typed.zone.clone(), epoch: typed.epoch.map(time_unit) }
        }
        typed::ColumnType::Float64List => ColumnType::Float64List,
        typed::ColumnType::StringList => ColumnType::Utf8List,
        typed::ColumnType::Json => ColumnType::Json,
    }
}

fn time_unit(epoch: typed::Epoch) -> TimeUnit {
    match epoch {
        typed::Epoch::Second => TimeUnit::Second,
        typed::Epoch::Millisecond => TimeUnit::Millisecond,
        typed::Epoch::Microsecond => TimeUnit::Microsecond,
        typed::Epoch::Nanosecond => TimeUnit::Nanosecond,
    }
}

/// Whether the time zone database has `zone`.
pub fn known_zone(zone: &str) -> Result<(), String> {
    jiff::tz::TimeZone::get(zone)
        .map(|_| ())
        .map_err(|_| format!("`{zone}` is not a time zone; expected an IANA name such as \"Europe/London\""))
}

fn one_column_per_path(document: &Document, stream: &str, columns: &[ColumnSpec]) -> Result<(), ConfigError> {
    // Of columns that share a field, the one that takes values of one type only decides.
    let mut owners: HashMap<_, &ColumnSpec> = HashMap::new();
    for column in columns {
        for path in &column.paths {
            let Some(other) = owners.get(path) else {
                owners.insert(path, column);
                continue;
            };
            let message = if other.name == column.name {
                format!("`{}` stands twice among its name, path and aliases", path::render(path))
            } else if column.mismatch != Mismatch::Error {
                continue;
            } else if other.mismatch != Mismatch::Error {
                owners.insert(path, column);
                continue;
            } else {
                format!(
                    "`{}` is read into column `{}` already; a field goes into one column, and into others that \
                     have mismatch = \"null\" or \"json\"",
                    path::render(path),
                    other.name
                )
            };
            return Err(document.error(&["streams", stream, "schema", &column.name], message));
        }
    }
    Ok(())
}

fn event_time(
    document: &Document,
    stream: &str,
    typed: &typed::EventTime,
    columns: &[ColumnSpec],
) -> Result<EventTime, ConfigError> {
    let (name, zone, epoch) = match typed {
        typed::EventTime::Column(name) => (name, None, None),
        typed::EventTime::Full(full) => (&full.column, full.zone.clone(), full.epoch),
    };
    let error = |message: String| document.error(&["streams", stream, "event_time"], message);
    let column = columns.iter().find(|column| column.name == *name);
    let column = column.ok_or_else(|| error(format!("no column `{name}` in the stream's schema")))?;
    let usable = matches!(
        column.ty,
        ColumnType::Timestamp { .. } | ColumnType::Utf8 | ColumnType::Int32 | ColumnType::Int64
    );
    if !usable {
        return Err(error(format!("column `{name}` is no timestamp, string or integer")));
    }
    if matches!(column.ty, ColumnType::Int32 | ColumnType::Int64) && epoch.is_none() {
        return Err(error(format!(
            "column `{name}` is a number: say its unit with epoch = \"s\", \"ms\", \"us\" or \"ns\""
        )));
    }
    if let Some(zone) = &zone {
        known_zone(zone).map_err(error)?;
    }
    Ok(EventTime { column: name.clone(), zone, epoch: epoch.map(time_unit) })
}

fn steps(
    document: &Document,
    stream: &str,
    typed: Vec<typed::Step>,
    plugins_dir: &Path,
) -> Result<Vec<StepConfig>, ConfigError> {
    let mut names = HashSet::new();
    let mut steps = Vec::new();
    for (index, step) in typed.into_iter().enumerate() {
        let index = index.to_string();
        let at = |key| ["streams", stream, "steps", &index, key];
        if !is_name(&step.plugin) {
            let message = "expected the name of a plugin: its file without `.wasm`, in the plugin folder";
            return Err(document.error(&at("plugin"), message));
        }
        let wasm = plugins_dir.join(format!("{}.wasm", step.plugin));
        if !wasm.is_file() {
            let message = format!("no plugin `{}`: {} does not exist", step.plugin, wasm.display());
            return Err(document.error(&at("plugin"), message));
        }
        let name = step.name.unwrap_or_else(|| step.plugin.clone());
        if !names.insert(name.clone()) {
            let message = format!("a second step `{name}` in this stream; give it another `name`");
            return Err(document.error(&at("name"), message));
        }
        if let Some(table) = step.outputs.values().find(|table| !routes::is_table(table)) {
            return Err(document.error(&at("outputs"), format!("`{table}` is not a table's name")));
        }
        let beside = plugin_file(&plugins_dir.join(format!("{}.toml", step.plugin)))?;
        let mut config = beside.config;
        config.extend(step.config);
        steps.push(StepConfig {
            name,
            plugin: step.plugin,
            config: serde_json::to_value(config)
                .map_err(|error| document.error(&at("config"), error.to_string()))?,
            outputs: step.outputs,
            limits: limits(document, &at("plugin"), &beside.limits)?,
            place: document.place_of(&at("plugin")),
        });
    }
    Ok(steps)
}

/// The file beside a plugin; absent means default limits and no parameters.
fn plugin_file(path: &Path) -> Result<typed::PluginFile, ConfigError> {
    if path.is_file() { Document::read(path, [])?.deserialize() } else { Ok(typed::PluginFile::default()) }
}

fn limits(document: &Document, step: &[&str], typed: &typed::Limits) -> Result<Limits, ConfigError> {
    let mut limits = Limits::default();
    if let Some(deadline) = typed.deadline {
        limits.deadline = deadline.0;
    }
    if let Some(memory) = typed.memory {
        limits.memory_bytes = memory.0;
    }
    if let Some(output) = typed.output {
        limits.output_bytes = output.0;
    }
    if limits.deadline < DEADLINE_MIN {
        return Err(document.error(step, "limits.deadline beside the plugin is shorter than 10ms"));
    }
    if limits.memory_bytes < MEMORY_MIN {
        return Err(document.error(step, "limits.memory beside the plugin is smaller than 1MiB"));
    }
    Ok(limits)
}
