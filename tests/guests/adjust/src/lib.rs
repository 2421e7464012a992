//! The smallest honest step, for benchmarks: reads two columns and writes one.

use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Row, Transform};
use serde::Deserialize;

/// What the step looks at.
#[derive(Row)]
pub struct Reading {
    #[row(name = "location.lat")]
    latitude: f64,
    #[row(write)]
    speed: f64,
}

/// Nothing to configure.
#[derive(Deserialize)]
pub struct Config {}

/// The step.
pub struct Adjust;

/// What it does to a row; the benchmark does the same natively.
pub fn adjust(latitude: f64, speed: f64) -> f64 {
    if latitude > 51.0 { speed * 1.01 } else { speed * 0.99 }
}

impl Transform for Adjust {
    type Config = Config;
    type Row = Reading;
    type Outcome = ();

    const ABOUT: About =
        About { name: "adjust", version: "1.0.0", config_schema: None, example_config: "{}" };

    fn configure(_: Config) -> Result<Self, Vec<ConfigProblem>> {
        Ok(Self)
    }

    fn process(&mut self, reading: &mut Reading) {
        reading.speed = adjust(reading.latitude, reading.speed);
    }
}

millstream_sdk::export!(Adjust);
