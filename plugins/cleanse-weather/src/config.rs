//! The configuration: as typed ([`Config`]), and checked ([`Rules`]).

use std::collections::BTreeMap;

use millstream_readings::clock::ClockChange;
use millstream_readings::measure::{Range, above_zero, range, zero_or_above};
use millstream_readings::position::Positions;
use millstream_readings::timestamp::{Timestamps, default_future_max_seconds};
use millstream_readings::vocabulary::Words;
use millstream_readings::{Problem, Treatment, noted};
use serde::Deserialize;

use crate::cleanse::{Possible, Rules};
use crate::contradiction::Contradictions;
use crate::vocabulary::condition;

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
    /// Temperatures below are refused, in °C.
    #[serde(default = "defaults::temperature_min_c")]
    pub temperature_min_c: f64,
    /// Temperatures above are refused, in °C.
    #[serde(default = "defaults::temperature_max_c")]
    pub temperature_max_c: f64,
    /// Precipitation above is refused, in mm.
    #[serde(default = "defaults::precipitation_max_mm")]
    pub precipitation_max_mm: f64,
    /// Wind above is refused, in km/h.
    #[serde(default = "defaults::wind_speed_max_kmh")]
    pub wind_speed_max_kmh: f64,
    /// Air quality above is refused; 500 is where the scale of the US EPA ends.
    #[serde(default = "defaults::air_quality_index_max")]
    pub air_quality_index_max: f64,
    /// More precipitation in sunshine is a contradiction, in mm.
    #[serde(default = "defaults::sunshine_precipitation_max_mm")]
    pub sunshine_precipitation_max_mm: f64,
    /// Snow in warmer air is a contradiction, in °C.
    #[serde(default = "defaults::snow_temperature_max_c")]
    pub snow_temperature_max_c: f64,
    /// Spellings of weather conditions, and the words they mean.
    #[serde(default)]
    pub spellings: BTreeMap<String, String>,
    /// What happens to weather conditions that are not known.
    #[serde(default = "Treatment::keep")]
    pub unknown_words: Treatment,
}

mod defaults {
    pub fn temperature_min_c() -> f64 {
        -90.0
    }
    pub fn temperature_max_c() -> f64 {
        60.0
    }
    pub fn precipitation_max_mm() -> f64 {
        500.0
    }
    pub fn wind_speed_max_kmh() -> f64 {
        420.0
    }
    pub fn air_quality_index_max() -> f64 {
        500.0
    }
    pub fn sunshine_precipitation_max_mm() -> f64 {
        0.1
    }
    pub fn snow_temperature_max_c() -> f64 {
        5.0
    }
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
        let possible = noted(self.possible(), &mut problems);
        let contradictions = noted(self.contradictions(), &mut problems);
        let words = noted(Words::new(self.spellings, self.unknown_words, &[condition]), &mut problems);
        match (timestamps, possible, contradictions, words) {
            (Some(timestamps), Some(possible), Some(contradictions), Some(words)) => {
                let positions = Positions::new(self.null_island);
                Ok(Rules { timestamps, positions, possible, contradictions, words })
            }
            _ => Err(problems),
        }
    }

    fn possible(&self) -> Result<Possible, Vec<Problem>> {
        let mut problems = Vec::new();
        let temperature = range(
            ("temperature_min_c", self.temperature_min_c),
            ("temperature_max_c", self.temperature_max_c),
        );
        let temperature = noted(temperature, &mut problems);
        let mut to = |key, max| noted(above_zero(key, max), &mut problems).map(|max| Range::new(0.0, max));
        let precipitation = to("precipitation_max_mm", self.precipitation_max_mm);
        let wind_speed = to("wind_speed_max_kmh", self.wind_speed_max_kmh);
        let air_quality_index = to("air_quality_index_max", self.air_quality_index_max);
        match (temperature, precipitation, wind_speed, air_quality_index) {
            (Some(temperature), Some(precipitation), Some(wind_speed), Some(air_quality_index)) => {
                Ok(Possible { temperature, precipitation, wind_speed, air_quality_index })
            }
            _ => Err(problems),
        }
    }

    fn contradictions(&self) -> Result<Contradictions, Vec<Problem>> {
        let in_sunshine = self.sunshine_precipitation_max_mm;
        Ok(Contradictions {
            sunshine_precipitation_max_mm: zero_or_above("sunshine_precipitation_max_mm", in_sunshine)?,
            snow_temperature_max_c: self.snow_temperature_max_c,
        })
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
        let config = r#"{
            "zone": "London", "temperature_min_c": 10, "temperature_max_c": 0, "precipitation_max_mm": 0,
            "wind_speed_max_kmh": -1, "sunshine_precipitation_max_mm": -1, "spellings": {"Suny": "Bright"}
        }"#;
        let problems = serde_json::from_str::<Config>(config).unwrap().check().unwrap_err();
        let named: Vec<_> = problems.iter().map(Problem::key).collect();
        let expect = [
            "zone",
            "temperature_min_c",
            "precipitation_max_mm",
            "wind_speed_max_kmh",
            "sunshine_precipitation_max_mm",
            "spellings.Suny",
        ];
        assert_eq!(named, expect);
    }
}
