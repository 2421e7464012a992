//! The configuration: as typed ([`Config`]), and checked ([`Rules`]).

use std::collections::BTreeMap;

use millstream_readings::clock::ClockChange;
use millstream_readings::position::Positions;
use millstream_readings::timestamp::{Timestamps, default_future_max_seconds};
use millstream_readings::vocabulary::Words;
use millstream_readings::{Problem, Treatment, noted};
use serde::Deserialize;

use crate::cleanse::Rules;
use crate::vocabulary::{incident_type, status};

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
    /// Spellings of types and states, and the words they mean.
    #[serde(default)]
    pub spellings: BTreeMap<String, String>,
    /// What happens to types and states that are not known.
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
        let words = Words::new(self.spellings, self.unknown_words, &[incident_type, status]);
        let words = noted(words, &mut problems);
        match (timestamps, words) {
            (Some(timestamps), Some(words)) => {
                Ok(Rules { timestamps, positions: Positions::new(self.null_island), words })
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
        let config = r#"{"zone": "London", "spellings": {"Actice": "Activ"}}"#;
        let problems = serde_json::from_str::<Config>(config).unwrap().check().unwrap_err();
        let named: Vec<_> = problems.iter().map(Problem::key).collect();
        assert_eq!(named, ["zone", "spellings.Actice"]);
    }
}
