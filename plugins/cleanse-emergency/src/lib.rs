//! Cleanses the emergency stream: reports of nothing are dropped, rows that cannot be true become dead
//! letters, the rest is brought to one spelling and one clock. A report whose `type` is None, however it
//! is written, says that there is no incident: it is dropped whatever else is wrong with it. One without a
//! `type` says nothing of the kind and becomes a dead letter. Rules, in the order they are tried, with
//! their reasons:
//!
//! | column | rule | reason of the dead letter |
//! |---|---|---|
//! | `type` | is there | `` `type` is missing `` |
//! | | is not None | the row is dropped |
//! | `timestamp` | is there | `` `timestamp` is missing `` |
//! | | is an ISO-8601 date and time | `` `timestamp` is not an ISO-8601 time `` |
//! | | is in the years 1 to 9999, as UTC | `` `timestamp` is out of range: not in the years 1 to 9999 `` |
//! | | names one instant (only with `clock_change = "reject"`) | `` `timestamp` falls into a change of the clocks `` |
//! | `location.lat`, `location.lon`; without both, `lat`, `lon`; without both, `location.text` | are there | `` `location` is missing `` or `` `location.lat` is missing `` |
//! | | the text is `lat, lon` or `[lat, lon]` | `` `location` is not a latitude and a longitude `` |
//! | | are numbers in [-90, 90] and [-180, 180] | `` `location.lat` is out of range [-90, 90] `` |
//! | | are not 0, 0 (unless `null_island = "keep"`) | `` `location` is 0, 0: the device had no fix `` |
//! | `type`, `status` | are known words (only with `unknown_words = "reject"`) | `` `status` is not a known status `` |
//!
//! What is written: `timestamp` as an instant in UTC (times without an offset are wall-clock times of
//! `zone`); `location.lat` and `location.lon`, whichever way they came; `type` and `status` in their
//! canonical words; and the new column `timestamp_in_future`, true where the instant is more than
//! `future_max_seconds` later than the message's own, null where the message has none. A misspelling is not
//! guessed at: `spellings = { Actice = "Active" }` says what it means. `lat`, `lon` and `location.text` need not be declared
//! and is taken out.
//!
//! `cleanse` holds the rules, in terms of `millstream-readings`; they are plain Rust and know nothing of
//! batches. `report` is the projection, `vocabulary` the types and states, `config` the configuration, this
//! file the glue.

pub mod cleanse;
pub mod config;
pub mod report;
pub mod vocabulary;

use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Transform, Verdict};

use crate::cleanse::{Finding, Rules};
use crate::config::Config;
use crate::report::Report;

/// The plugin.
pub struct CleanseEmergency(Rules);

impl Transform for CleanseEmergency {
    type Config = Config;
    type Row = Report<'static>;
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

    fn process(&mut self, report: &mut Report<'_>) -> Verdict {
        match self.0.cleanse(report) {
            Ok(Finding::Incident) => Verdict::Keep,
            Ok(Finding::Nothing) => Verdict::Drop,
            Err(fault) => Verdict::Reject(fault.reason().into()),
        }
    }
}

millstream_sdk::export!(CleanseEmergency);
