//! Cleanses the weather stream: rows that cannot be true become dead letters, weather that contradicts
//! itself is flagged, the rest is brought to one spelling and one clock. Rules, in the order they are
//! tried, with their reasons:
//!
//! | column | rule | reason of the dead letter |
//! |---|---|---|
//! | `timestamp` | is there | `` `timestamp` is missing `` |
//! | | is an ISO-8601 date and time | `` `timestamp` is not an ISO-8601 time `` |
//! | | is in the years 1 to 9999, as UTC | `` `timestamp` is out of range: not in the years 1 to 9999 `` |
//! | | names one instant (only with `clock_change = "reject"`) | `` `timestamp` falls into a change of the clocks `` |
//! | `location.lat`, `location.lon`; without both, `lat`, `lon`; without both, `location.text` | are there | `` `location` is missing `` or `` `location.lat` is missing `` |
//! | | the text is `lat, lon` or `[lat, lon]` | `` `location` is not a latitude and a longitude `` |
//! | | are numbers in [-90, 90] and [-180, 180] | `` `location.lat` is out of range [-90, 90] `` |
//! | | are not 0, 0 (unless `null_island = "keep"`) | `` `location` is 0, 0: the device had no fix `` |
//! | `temperature` | is in [`temperature_min_c`, `temperature_max_c`] | `` `temperature` is out of range `` |
//! | `precipitation` | is in [0, `precipitation_max_mm`] | `` `precipitation` is out of range `` |
//! | `windSpeed` | is in [0, `wind_speed_max_kmh`] | `` `windSpeed` is out of range `` |
//! | `humidity` | is in [0, 100] | `` `humidity` is out of range [0, 100] `` |
//! | `airQualityIndex` | is in [0, `air_quality_index_max`] | `` `airQualityIndex` is out of range `` |
//! | `weatherCondition` | is a known word (only with `unknown_words = "reject"`) | `` `weatherCondition` is not a known weather `` |
//!
//! Where a figure is null its rule does not apply: whether it is required is the stream's to declare.
//! Weather whose parts are possible and do not go together is kept, with the first of these in the new
//! column `contradiction`, which is null otherwise:
//!
//! | contradiction | where |
//! |---|---|
//! | `precipitation in sunshine` | Sunny, and precipitation above `sunshine_precipitation_max_mm` |
//! | `snow in warm air` | Snowy, and temperature above `snow_temperature_max_c` |
//! | `rain without precipitation` | Rainy or Stormy, and precipitation 0 |
//! | `snow without precipitation` | Snowy, and precipitation 0 |
//!
//! What is written besides: `timestamp` as an instant in UTC (times without an offset are wall-clock times
//! of `zone`); `location.lat` and `location.lon`, whichever way they came; `weatherCondition` in its
//! canonical word (`spellings` adds to those that are known); and the new column `timestamp_in_future`, true
//! where the instant is more than `future_max_seconds` later than the message's own, null where the
//! message has none. `lat`, `lon` and `location.text` need not be declared and are taken out.
//!
//! `cleanse` holds the rules, in terms of `millstream-readings`, and `contradiction` what does not go
//! together; they are plain Rust and know nothing of batches. `weather` is the projection, `vocabulary` the
//! conditions, `config` the configuration, this file the glue.

pub mod cleanse;
pub mod config;
pub mod contradiction;
pub mod vocabulary;
pub mod weather;

use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Transform, Verdict};

use crate::cleanse::Rules;
use crate::config::Config;
use crate::weather::Weather;

/// The plugin.
pub struct CleanseWeather(Rules);

impl Transform for CleanseWeather {
    type Config = Config;
    type Row = Weather<'static>;
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

    fn process(&mut self, weather: &mut Weather<'_>) -> Verdict {
        match self.0.cleanse(weather) {
            Ok(()) => Verdict::Keep,
            Err(fault) => Verdict::Reject(fault.reason().into()),
        }
    }
}

millstream_sdk::export!(CleanseWeather);
