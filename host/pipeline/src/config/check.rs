//! From the configuration as typed to one that is checked and ready. Every error names the key.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::Limits;
use millstream_model::schema::StreamSchema;
use millstream_settings::limits::laid_over;
use millstream_settings::schema::schema;

use super::admin::admin;
use super::dead_letters::dead_letters;
use super::log::log;
use super::merge::merge;
use super::secrets::{Secrets, secrets};
use super::signatures::signatures;
use super::sources::source;
use super::steps::steps;
use super::watermark::watermark;
use super::{CheckpointPolicy, Config, StreamConfig, WorkerSettings, routes, typed};
use crate::lake::Lake;
use crate::sink::SinkSettings;
use crate::watermark::LatePolicy;
use millstream_settings::{ConfigError, Document};

/// Checks the document.
pub fn check(document: &Document) -> Result<Config, ConfigError> {
    file(document, document.deserialize().map_err(hint_at_quotes)?)
}

/// Checks the document but for its steps, which are left out: neither their plugins nor secrets need be there.
pub fn check_without_steps(document: &Document) -> Result<Config, ConfigError> {
    let mut typed: typed::File = document.deserialize().map_err(hint_at_quotes)?;
    typed.streams.0.iter_mut().for_each(|(_, stream)| stream.steps.clear());
    typed.secrets.clear();
    file(document, typed)
}

fn file(document: &Document, file: typed::File) -> Result<Config, ConfigError> {
    let plugins_dir = resolve(document, file.plugins.dir.unwrap_or_else(|| PathBuf::from("plugins")));
    let limits = laid_over(&Limits::default(), &file.plugins.limits, document, &["plugins", "limits"])?;
    let secrets = secrets(document, file.secrets)?;
    let streams = streams(document, file.streams, &plugins_dir, &limits, &secrets)?;
    let worker = worker(document, file.worker)?;
    let source = source(document, file.source, &worker.name)?;
    let http = http(document, file.http)?;
    Ok(Config {
        lake_url: lake_url(document, file.lake.url.clone())?,
        dead_letter_topic: dead_letters(document, file.dead_letters, &source, &streams)?,
        source,
        sink: Arc::new(sink(document, &file.lake)?),
        checkpoint: checkpoint(document, &file.checkpoint)?,
        log: log(document, &file.log)?,
        merge: merge(document, &file.merge)?,
        cache_dir: file.plugins.cache_dir.map(|dir| resolve(document, dir)),
        signatures: Arc::new(signatures(document, file.plugins.require_signature, file.plugins.keys)?),
        plugins_dir,
        secrets: Arc::new(secrets),
        worker,
        admin: admin(document, file.admin, http)?,
        http,
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
    limits: &Limits,
    secrets: &Secrets,
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
        let keys = typed::SchemaKeys {
            event_time: stream.event_time,
            unknown_fields: stream.unknown_fields,
            schema: stream.schema,
        };
        let schema = StreamSchema { flags_late, ..schema(document, &["streams", &name], &keys)? };
        let steps = steps(document, &name, stream.steps, plugins_dir, limits, secrets)?;
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
