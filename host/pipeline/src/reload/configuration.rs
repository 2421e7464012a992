//! The configuration, read again: steps, routes and columns of the streams that run are taken from it, for all
//! else it says which keys need a restart.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use millstream_model::schema::StreamSchema;

use crate::config::{Config, ConfigError, StreamConfig, differing_keys};

/// Keys of a stream that are taken without a restart.
const TAKEN: [&str; 4] = ["steps", "routes", "schema", "unknown_fields"];

/// Where a configuration comes from.
#[derive(Clone)]
pub struct ConfigSource {
    /// The file.
    pub file: PathBuf,
    /// Reads and checks it as at the start.
    pub read: Arc<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>,
}

impl fmt::Debug for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigSource").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The configuration that runs, with what `read` has for its streams.
pub(super) fn taken(running: &Config, read: Config) -> Config {
    let mut config = running.clone();
    for stream in &mut config.streams {
        if let Some(new) = read.streams.iter().find(|new| new.name == stream.name) {
            take(stream, new.clone());
        }
    }
    config
}

fn take(stream: &mut StreamConfig, new: StreamConfig) {
    let StreamSchema { event_time, flags_late, .. } = (*stream.schema).clone();
    stream.schema = Arc::new(StreamSchema { event_time, flags_late, ..(*new.schema).clone() });
    stream.steps = new.steps;
    stream.routes = new.routes;
}

/// Keys that differ between two texts of the configuration and are not taken while it runs.
pub(super) fn need_restart(before: &str, after: &str) -> BTreeSet<String> {
    let mut keys = differing_keys(before, after).unwrap_or_default();
    keys.retain(|key| {
        let mut parts = key.split('.');
        let of_stream = parts.next() == Some("streams") && parts.next().is_some();
        !(of_stream && parts.next().is_some_and(|part| TAKEN.contains(&part)))
    });
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_restart_is_named() {
        let before = "[lake]\nurl = \"a\"\n[streams.v]\ntopic = \"t\"\n[streams.v.schema]\na = \"int64\"\n";
        let check = |from: &str, to: &str, expected: &[&str]| {
            let keys = need_restart(before, &before.replace(from, to));
            assert_eq!(keys.iter().map(String::as_str).collect::<Vec<_>>(), expected);
        };
        check("\"int64\"", "\"string\"", &[]);
        check("a = \"int64\"", "a = \"int64\"\n[[streams.v.steps]]\nplugin = \"p\"", &[]);
        check("\"t\"", "\"u\"", &["streams.v.topic"]);
        check("\"a\"\n", "\"b\"\nopen_files = 3\n", &["lake.open_files", "lake.url"]);
        check("[lake]", "[streams.w]\ntopic = \"w\"\n[lake]", &["streams.w"]);
    }
}
