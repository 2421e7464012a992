//! Cleanses the stream of traffic cameras: rows that cannot be true become dead letters, the rest is
//! brought to one clock, and pictures that are none are flagged. Some cameras do not say where they are.
//! Rules, in the order they are tried, with their reasons:
//!
//! | column | rule | reason of the dead letter |
//! |---|---|---|
//! | `timestamp` | is there | `` `timestamp` is missing `` |
//! | | is an ISO-8601 date and time | `` `timestamp` is not an ISO-8601 time `` |
//! | | is in the years 1 to 9999, as UTC | `` `timestamp` is out of range: not in the years 1 to 9999 `` |
//! | | names one instant (only with `clock_change = "reject"`) | `` `timestamp` falls into a change of the clocks `` |
//! | `location.lat`, `location.lon`; without both, `lat`, `lon`; without both, `location.text` | are there both or not at all | `` `location.lat` is missing `` |
//! | | the text is `lat, lon` or `[lat, lon]` | `` `location` is not a latitude and a longitude `` |
//! | | are numbers in [-90, 90] and [-180, 180] | `` `location.lat` is out of range [-90, 90] `` |
//! | | are not 0, 0 (unless `null_island = "keep"`) | `` `location` is 0, 0: the device had no fix `` |
//! | `vehicleCount` | is not negative, where it is there | `` `vehicleCount` is negative `` |
//! | `meanSpeed` | is in [0, `speed_max_kmh`], where it is there | `` `meanSpeed` is out of range `` |
//!
//! What is written: `timestamp` as an instant in UTC (times without an offset are wall-clock times of
//! `zone`); `location.lat` and `location.lon`, whichever way they came, null if they did not; the new column
//! `snapshot_valid`, false where `snapshot` is not a whole JPEG in Base64, null where there is none; and the
//! new column `timestamp_in_future`, true where the instant is more than `future_max_seconds` later than
//! the message's own, null where the message has none. Only `timestamp` must be declared; `location.text` is
//! taken out. A picture is judged by its first and last marker: it is not decoded.
//!
//! `cleanse` holds the rules, in terms of `millstream-readings`; they are plain Rust and know nothing of
//! batches. `view` is the projection, `snapshot` knows pictures, `config` the configuration, this file the
//! glue.

pub mod cleanse;
pub mod config;
pub mod snapshot;
pub mod view;

use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Transform, Verdict};

use crate::cleanse::Rules;
use crate::config::Config;
use crate::view::View;

/// The plugin.
pub struct CleanseTraffic(Rules);

impl Transform for CleanseTraffic {
    type Config = Config;
    type Row = View<'static>;
    type Outcome = Verdict;

    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        config_schema: Some(include_str!("../config.schema.json")),
        example_config: include_str!("../config.example.json"),
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigProblem>> {
        config.check().map(Self).map_err(|problems| problems.into_iter().map(Into::into).collect())
    }

    fn process(&mut self, view: &mut View<'_>) -> Verdict {
        match self.0.cleanse(view) {
            Ok(()) => Verdict::Keep,
            Err(fault) => Verdict::Reject(fault.reason().into()),
        }
    }
}

millstream_sdk::export!(CleanseTraffic);
