//! The configuration: as typed ([`Config`]), and checked ([`Rules`]).

use std::fmt;

use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::cleanse::Rules;
use crate::clock::{Clock, ClockChange};
use crate::measure::SpeedUnit;

/// The configuration as typed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// IANA time zone of timestamps without an offset, as `Europe/London`.
    pub zone: String,
    /// What happens to a local time that names no single instant.
    #[serde(default)]
    pub clock_change: ClockChange,
    /// Unit of the speeds that arrive.
    #[serde(default)]
    pub speed_unit: SpeedUnit,
    /// Speeds above are refused, in km/h.
    #[serde(default = "default_speed_max_kmh")]
    pub speed_max_kmh: f64,
    /// What happens to the position 0, 0.
    #[serde(default = "refuse")]
    pub null_island: Treatment,
    /// What happens to fuel types and directions that are not known.
    #[serde(default = "keep")]
    pub unknown_words: Treatment,
}

/// Keep or reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Treatment {
    /// The row goes on.
    Keep,
    /// It becomes a dead letter.
    Reject,
}

fn default_speed_max_kmh() -> f64 {
    300.0
}

fn refuse() -> Treatment {
    Treatment::Reject
}

fn keep() -> Treatment {
    Treatment::Keep
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// There is no time zone of this name.
    Zone(String),
    /// Not a speed.
    SpeedMax(f64),
}

impl Problem {
    /// The key it is about.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Zone(_) => "zone",
            Self::SpeedMax(_) => "speed_max_kmh",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zone(name) => {
                write!(formatter, "no time zone is called `{name}`: write an IANA name as `Europe/London`")
            }
            Self::SpeedMax(speed) => write!(formatter, "a maximum of {speed} km/h: write a number above 0"),
        }
    }
}

impl Config {
    /// Checks it.
    ///
    /// # Errors
    /// Every problem found.
    pub fn check(self) -> Result<Rules, Vec<Problem>> {
        let mut problems = Vec::new();
        if !(self.speed_max_kmh.is_finite() && self.speed_max_kmh > 0.0) {
            problems.push(Problem::SpeedMax(self.speed_max_kmh));
        }
        match TimeZone::get(&self.zone) {
            Ok(zone) if problems.is_empty() => Ok(Rules {
                clock: Clock::new(zone, self.clock_change),
                speed_unit: self.speed_unit,
                speed_max_kmh: self.speed_max_kmh,
                refuse_null_island: self.null_island == Treatment::Reject,
                refuse_unknown_words: self.unknown_words == Treatment::Reject,
            }),
            Ok(_) => Err(problems),
            Err(_) => {
                problems.insert(0, Problem::Zone(self.zone));
                Err(problems)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_is_sound() {
        let example: Config = serde_json::from_str(include_str!("../config.example.json")).unwrap();
        assert!(example.check().is_ok());
    }

    #[test]
    fn schema_names_every_key() {
        let schema: serde_json::Value = serde_json::from_str(include_str!("../config.schema.json")).unwrap();
        let example: serde_json::Value =
            serde_json::from_str(include_str!("../config.example.json")).unwrap();
        let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&schema["properties"]), keys(&example));
    }

    #[test]
    fn every_problem_is_named() {
        let config = r#"{"zone": "London", "speed_max_kmh": 0}"#;
        let problems = serde_json::from_str::<Config>(config).unwrap().check().unwrap_err();
        assert_eq!(problems, [Problem::Zone("London".to_owned()), Problem::SpeedMax(0.0)]);
    }
}
