//! The configuration: as typed ([`Config`]), and checked ([`Rules`]).

use std::collections::BTreeMap;

use millstream_readings::clock::ClockChange;
use millstream_readings::measure::{SpeedUnit, Speeds, default_speed_max_kmh};
use millstream_readings::position::Positions;
use millstream_readings::timestamp::{Timestamps, default_future_max_seconds};
use millstream_readings::vocabulary::{Words, direction};
use millstream_readings::{Problem, Treatment, noted};
use serde::Deserialize;

use crate::cleanse::Rules;
use crate::vocabulary::vehicle_type;

/// The configuration as typed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// IANA time zone of timestamps without an offset, as `Europe/London`.
    pub zone: String,
    /// What happens to a local time that names no single instant.
    #[serde(default)]
    pub clock_change: ClockChange,
    /// Timestamps that are further ahead of their message are flagged, in seconds.
    #[serde(default = "default_future_max_seconds")]
    pub future_max_seconds: f64,
    /// What happens to the position 0, 0.
    #[serde(default = "Treatment::reject")]
    pub null_island: Treatment,
    /// Unit of the speeds that arrive.
    #[serde(default)]
    pub speed_unit: SpeedUnit,
    /// Speeds above are refused, in km/h.
    #[serde(default = "default_speed_max_kmh")]
    pub speed_max_kmh: f64,
    /// Spellings of vehicle types and directions, and the words they mean.
    #[serde(default)]
    pub spellings: BTreeMap<String, String>,
    /// What happens to vehicle types and directions that are not known.
    #[serde(default = "Treatment::keep")]
    pub unknown_words: Treatment,
}

impl Config {
    /// Checks it.
    ///
    /// # Errors
    /// Every problem found.
    pub fn check(self) -> Result<Rules, Vec<Problem>> {
        let mut problems = Vec::new();
        let timestamps = Timestamps::new(&self.zone, self.clock_change, self.future_max_seconds);
        let timestamps = noted(timestamps, &mut problems);
        let speeds = noted(Speeds::new(self.speed_unit, self.speed_max_kmh), &mut problems);
        let words = Words::new(self.spellings, self.unknown_words, &[vehicle_type, direction]);
        let words = noted(words, &mut problems);
        match (timestamps, speeds, words) {
            (Some(timestamps), Some(speeds), Some(words)) => {
                Ok(Rules { timestamps, positions: Positions::new(self.null_island), speeds, words })
            }
            _ => Err(problems),
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
    fn every_problem_is_named() {
        let config = r#"{"zone": "London", "speed_max_kmh": 0, "spellings": {"Privat": "mine"}}"#;
        let problems = serde_json::from_str::<Config>(config).unwrap().check().unwrap_err();
        let named: Vec<_> = problems.iter().map(Problem::key).collect();
        assert_eq!(named, ["zone", "speed_max_kmh", "spellings.Privat"]);
    }
}
