//! Cleanses the vehicle stream: rows that cannot be true become dead letters, the rest is brought to
//! one spelling, one unit and one clock. Rules, in the order they are tried, with their reasons:
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
//! | `speed` | is there, finite, not negative, at most `speed_max_kmh` | `` `speed` is negative `` and so on |
//! | `bearing` | is in [0, 360], where it is there | `` `bearing` is out of range [0, 360] `` |
//! | `fuelType`, `direction` | are known words (only with `unknown_words = "reject"`) | `` `fuelType` is not a known fuel type `` |
//!
//! What is written: `timestamp` as an instant in UTC (times without an offset are wall-clock times of
//! `zone`); `location.lat` and `location.lon`, whichever way they came; `speed` in km/h; `fuelType` and
//! `direction` in their canonical words (`spellings` adds to those that are known); `make` and `model`
//! without blanks around them, their case untouched, since "MINI" and "Mini" are both somebody's
//! spelling; and the new column `timestamp_in_future`, true where the instant is more than
//! `future_max_seconds` later than the message's own, null where the message has none. Null words stay
//! null: whether a column is required is the stream's to declare. `location.text` and `bearing` need not
//! be declared; the former is taken out.
//!
//! `cleanse` holds the rules, in terms of `millstream-readings`; they are plain Rust and know nothing of
//! batches. `vehicle` is the projection, `vocabulary` the fuel types, `config` the configuration, this
//! file the glue.

pub mod cleanse;
pub mod config;
pub mod vehicle;
pub mod vocabulary;

use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Transform, Verdict};

use crate::cleanse::Rules;
use crate::config::Config;
use crate::vehicle::Vehicle;

/// The plugin.
pub struct CleanseVehicle(Rules);

impl Transform for CleanseVehicle {
    type Config = Config;
    type Row = Vehicle<'static>;
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

    fn process(&mut self, vehicle: &mut Vehicle<'_>) -> Verdict {
        match self.0.cleanse(vehicle) {
            Ok(()) => Verdict::Keep,
            Err(fault) => Verdict::Reject(fault.reason().into()),
        }
    }
}

millstream_sdk::export!(CleanseVehicle);
