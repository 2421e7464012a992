//! The configuration: as typed ([`Config`]), and checked ([`Rules`]).

use millstream_readings::clock::ClockChange;
use millstream_readings::measure::{Range, above_zero, default_speed_max_kmh};
use millstream_readings::position::Positions;
use millstream_readings::timestamp::{Timestamps, default_future_max_seconds};
use millstream_readings::{Problem, Treatment, noted};
use serde::Deserialize;

use crate::cleanse::Rules;
use crate::snapshot::Snapshots;

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
    /// Mean speeds above are refused, in km/h.
    #[serde(default = "default_speed_max_kmh")]
    pub speed_max_kmh: f64,
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
        let speed_max = noted(above_zero("speed_max_kmh", self.speed_max_kmh), &mut problems);
        match (timestamps, speed_max) {
            (Some(timestamps), Some(speed_max)) => Ok(Rules {
                timestamps,
                positions: Positions::new(self.null_island),
                mean_speed: Range::new(0.0, speed_max),
                snapshots: Snapshots::default(),
            }),
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
        let config = r#"{"zone": "London", "future_max_seconds": -1, "speed_max_kmh": 0}"#;
        let problems = serde_json::from_str::<Config>(config).unwrap().check().unwrap_err();
        let named: Vec<_> = problems.iter().map(Problem::key).collect();
        assert_eq!(named, ["zone", "future_max_seconds", "speed_max_kmh"]);
    }
}
