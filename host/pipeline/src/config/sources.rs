//! Where messages come from.

use std::collections::BTreeMap;

use super::{check, typed};
use crate::source::{
    FilesSettings, GroupProtocol, KafkaSettings, Membership, SourceError, SourceSettings, Start,
};
use millstream_settings::{ConfigError, Document};

/// Checks where messages come from. `worker` is the name of this process.
pub fn source(
    document: &Document,
    source: typed::Source,
    worker: &str,
) -> Result<SourceSettings, ConfigError> {
    match source {
        typed::Source { kafka: Some(kafka), files: None } => self::kafka(document, kafka, worker),
        typed::Source { kafka: None, files: Some(files) } => {
            Ok(SourceSettings::Files(self::files(document, files)?))
        }
        typed::Source { kafka: Some(_), files: Some(_) } => Err(document
            .error(&["source"], "two sources; a lake has one: choose [source.kafka] or [source.files]")),
        typed::Source { kafka: None, files: None } => {
            Err(document.error(&["source"], "no source; add [source.kafka] or [source.files]"))
        }
    }
}

fn files(document: &Document, files: typed::Files) -> Result<FilesSettings, ConfigError> {
    let dir = check::resolve(document, files.dir);
    if !dir.is_dir() {
        let message = format!(
            "{} is not a folder; messages are read from DIR/<topic>/<partition>.jsonl",
            dir.display()
        );
        return Err(document.error(&["source", "files", "dir"], message));
    }
    let mut settings = FilesSettings::new(dir);
    if let Some(interval) = files.poll_interval {
        settings.poll_interval = interval.0;
    }
    if let Some(size) = files.line_bytes_max {
        settings.line_bytes_max = check::positive(document, &["source", "files", "line_bytes_max"], size.0)?;
    }
    Ok(settings)
}

fn kafka(document: &Document, kafka: typed::Kafka, worker: &str) -> Result<SourceSettings, ConfigError> {
    let mut properties = BTreeMap::new();
    for (key, value) in kafka.properties {
        let value = match value {
            typed::Property::Text(text) => text,
            typed::Property::Number(number) => number.to_string(),
            typed::Property::Flag(flag) => flag.to_string(),
        };
        properties.insert(key, value);
    }
    let start = match kafka.start {
        typed::Start::Earliest => Start::Earliest,
        typed::Start::Latest => Start::Latest,
    };
    let mut settings = KafkaSettings::new(kafka.brokers, kafka.group);
    settings.start = start;
    if let Some(timeout) = kafka.timeout {
        settings.timeout = timeout.0;
    }
    worker.clone_into(&mut settings.worker);
    settings.protocol = match kafka.protocol {
        typed::GroupProtocol::Classic => GroupProtocol::Classic,
        typed::GroupProtocol::Consumer => GroupProtocol::Consumer,
    };
    settings.membership = match (kafka.membership, settings.protocol) {
        (Some(typed::Membership::Static), _) | (None, GroupProtocol::Classic) => Membership::Static,
        (Some(typed::Membership::Dynamic), _) | (None, GroupProtocol::Consumer) => Membership::Dynamic,
    };
    if settings.membership == Membership::Static && !check::is_topic(worker) {
        let message = "a static member's name in its consumer group: 1 to 249 letters, digits, `.`, `_` and `-`; \
                       change it, or set source.kafka.membership = \"dynamic\"";
        return Err(document.error(&["worker", "name"], message));
    }
    if let Some(timeout) = kafka.revoke_timeout {
        settings.revoke_timeout = timeout.0;
    }
    settings.properties = properties;
    let settings = SourceSettings::Kafka(settings);
    match crate::source::check(&settings) {
        Ok(()) => Ok(settings),
        Err(SourceError::Property { key, problem }) => {
            Err(document.error(&["source", "kafka", "properties", &key], problem))
        }
        Err(error @ SourceError::Brokers { .. }) => {
            Err(document.error(&["source", "kafka", "brokers"], error.to_string()))
        }
        Err(error) => Err(document.error(&["source", "kafka"], error.to_string())),
    }
}
