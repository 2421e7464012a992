//! Makes a row of each reading in a message that brings many: column `readings` holds JSON, a list of objects
//! with `sensor`, `value` and perhaps `unit`. The message's other columns stand in each of its rows. A message
//! without readings is dropped; one whose readings cannot be read becomes a dead letter.
//!
//! ```json
//! {"deviceId": "d1", "readings": [{"sensor": "air", "value": 21.5, "unit": "°C"}, {"sensor": "road", "value": 18}]}
//! ```
//!
//! In the stream's schema: `readings = "json"`.

use std::borrow::Cow;

use millstream_sdk::metrics::Counter;
use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Output, Outputs, Record, Row, Transform, Verdict};
use serde::Deserialize;

/// The configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A message with more becomes a dead letter.
    #[serde(default = "readings_max")]
    readings_max: usize,
}

fn readings_max() -> usize {
    1000
}

/// The columns of a message; the text does not go on.
#[derive(Row)]
pub struct Message<'a> {
    #[row(drop)]
    readings: Option<&'a str>,
}

/// A reading in a message, and the columns of its row.
#[derive(Deserialize, Record)]
pub struct Reading<'a> {
    #[serde(borrow)]
    sensor: Cow<'a, str>,
    value: Option<f64>,
    #[serde(borrow)]
    unit: Option<Cow<'a, str>>,
}

/// The plugin.
pub struct SplitReadings {
    config: Config,
    rows: Output<Reading<'static>>,
    readings: Counter,
}

impl Transform for SplitReadings {
    type Config = Config;
    type Row = Message<'static>;
    type Outcome = Verdict;

    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        config_schema: Some(include_str!("../config.schema.json")),
        example_config: include_str!("../config.example.json"),
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigProblem>> {
        Ok(Self { config, rows: Output::stream(), readings: Counter::new("readings") })
    }

    fn outputs(&mut self) -> Outputs<'_> {
        Outputs::none().and(&mut self.rows)
    }

    fn process(&mut self, message: &mut Message<'_>) -> Verdict {
        let Some(readings) = message.readings else { return Verdict::Drop };
        let Ok(readings) = serde_json::from_str::<Vec<Reading<'_>>>(readings) else {
            return Verdict::Reject("`readings` is not a list of readings".into());
        };
        if readings.len() > self.config.readings_max {
            return Verdict::Reject("`readings` has too many readings".into());
        }
        self.readings.add(readings.len() as u64);
        readings.into_iter().for_each(|reading| self.rows.emit(reading));
        Verdict::Drop
    }
}

millstream_sdk::export!(SplitReadings);

#[cfg(test)]
mod tests {
    use millstream_sdk::testing::{self, INPUT, Values, run};

    use super::*;

    #[test]
    fn a_message_becomes_its_readings() {
        let messages = [
            Some(r#"[{"sensor": "air", "value": 21.5, "unit": "°C"}, {"sensor": "a \"b\"", "value": null}]"#),
            Some("[]"),
            None,
            Some(r#"[{"sensor": 7}]"#),
            Some(r#"[{"sensor": "road", "value": 18}]"#),
            Some(r#"{"sensor": "road"}"#),
        ];
        let outcome = run::<SplitReadings, _>("{}", &[("readings", Values::of(messages))]).unwrap();
        let rows = &outcome.emitted[INPUT];
        assert_eq!(rows.parents, [0, 0, 4]);
        assert_eq!(rows.written["sensor"], Values::of(["air", "a \"b\"", "road"]));
        assert_eq!(rows.written["value"], Values::of([Some(21.5), None, Some(18.0)]));
        assert_eq!(rows.written["unit"], Values::of([Some("°C"), None, None]));
        assert_eq!(outcome.rejected["`readings` is not a list of readings"], [3, 5]);
        assert!(outcome.kept.is_empty());
        assert_eq!(testing::count("readings"), 3);
    }

    #[test]
    fn a_flood_is_refused() {
        let messages = [("readings", Values::of([r#"[{"sensor": "a"}, {"sensor": "b"}]"#]))];
        let outcome = run::<SplitReadings, _>(r#"{"readings_max": 1}"#, &messages).unwrap();
        assert_eq!(outcome.rejected["`readings` has too many readings"], [0]);
        assert!(outcome.emitted.is_empty());
    }
}
