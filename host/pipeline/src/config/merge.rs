//! Checks the section `[merge]`.

use std::time::Duration;

use super::typed;
use crate::merge::MergeSettings;
use millstream_settings::{ConfigError, Document};

/// Shortest time between two looks at the log.
const INTERVAL_MIN: Duration = Duration::from_millis(10);
/// Smallest share of its time that the merging thread works.
const CPU_SHARE_MIN: f64 = 0.01;

/// How files are merged; none if they are not.
pub fn merge(document: &Document, typed: &typed::Merge) -> Result<Option<MergeSettings>, ConfigError> {
    let defaults = MergeSettings::default();
    let settings = MergeSettings {
        target_bytes: typed.target_size.map_or(defaults.target_bytes, |size| size.0 as u64),
        files_min: typed.files_min.unwrap_or(defaults.files_min),
        interval: typed.interval.map_or(defaults.interval, |span| span.0),
        cpu_share: typed.cpu_share.unwrap_or(defaults.cpu_share),
    };
    let error = |key, message| Err(document.error(&["merge", key], message));
    if settings.target_bytes == 0 {
        return error("target_size", "must be 1 at least");
    }
    if settings.files_min < 2 {
        return error("files_min", "must be 2 at least");
    }
    if settings.interval < INTERVAL_MIN {
        return error("interval", "shorter than 10ms");
    }
    if !(CPU_SHARE_MIN..=1.0).contains(&settings.cpu_share) {
        return error("cpu_share", "must be between 0.01 and 1");
    }
    Ok(typed.enabled.unwrap_or(true).then_some(settings))
}
