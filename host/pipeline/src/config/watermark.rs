//! How event time of a stream is followed, and what becomes of late rows.

use std::time::Duration;

use super::{Placed, typed};
use crate::watermark::{LatePolicy, WatermarkSettings};
use millstream_settings::units::Span;
use millstream_settings::{ConfigError, Document};

/// As late as most devices are that lost their connection for a while.
const DELAY: Duration = Duration::from_mins(10);
/// More than clocks differ that are set at all, and less than a wrong day.
const AHEAD_MAX: Duration = Duration::from_hours(1);
/// A few of the longest pauses between messages that are usual.
const IDLE: Duration = Duration::from_mins(1);

/// Checks the watermark of `stream`; none if it has no event time.
pub fn watermark(
    document: &Document,
    stream: &str,
    typed: &typed::Stream,
) -> Result<Option<Placed<WatermarkSettings>>, ConfigError> {
    let keys = |key| ["streams", stream, "watermark", key];
    let default = typed::Watermark::default();
    let typed = match (&typed.event_time, &typed.watermark) {
        (None, None) => return Ok(None),
        (None, Some(_)) => {
            let message = "a watermark is made of event times; name their column: event_time = \"…\"";
            return Err(document.error(&keys("")[..3], message));
        }
        (Some(_), typed) => typed.as_ref().unwrap_or(&default),
    };
    let idle = typed.idle.map_or(IDLE, |span| span.0);
    if idle.is_zero() {
        return Err(document.error(&keys("idle"), "must be longer than 0; every partition would be idle"));
    }
    let settings = WatermarkSettings {
        delay_us: micros(typed.delay, DELAY),
        ahead_us_max: micros(typed.ahead_max, AHEAD_MAX),
        idle,
        late: match typed.late {
            typed::Late::Keep => LatePolicy::Keep,
            typed::Late::Flag => LatePolicy::Flag,
            typed::Late::Table => LatePolicy::Table,
            typed::Late::DeadLetters => LatePolicy::DeadLetters,
        },
    };
    Ok(Some(document.placed(&keys("late"), settings)))
}

fn micros(span: Option<Span>, default: Duration) -> i64 {
    let span = span.map_or(default, |span| span.0);
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
