//! {{name}}: adds what a thermometer shows in Fahrenheit, and rejects readings that cannot be true.

use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Row, Transform, Verdict};
use serde::Deserialize;

const ABSOLUTE_ZERO_CELSIUS: f64 = -273.15;

/// One reading: the columns that the plugin looks at. No other column enters it.
#[derive(Clone, Debug, Default, PartialEq, Row)]
pub struct Reading<'a> {
    /// Name of the thermometer: read, and written back.
    #[row(write)]
    pub sensor: Option<&'a str>,
    /// What it shows; null if the message does not say.
    pub celsius: Option<f64>,
    /// A new column.
    #[row(new)]
    pub fahrenheit: f64,
}

/// The parameters of a step that runs the plugin.
#[derive(Debug, Deserialize)]
pub struct Config {
    celsius_max: f64,
}

/// The plugin, once it is configured.
pub struct Thermometer {
    celsius_max: f64,
}

impl Transform for Thermometer {
    type Config = Config;
    type Row = Reading<'static>;
    type Outcome = Verdict;

    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        config_schema: Some(include_str!("../config.schema.json")),
        example_config: r#"{"celsius_max": 60}"#,
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigProblem>> {
        Ok(Self { celsius_max: config.celsius_max })
    }

    fn process(&mut self, reading: &mut Reading<'_>) -> Verdict {
        let Some(celsius) = reading.celsius else {
            return Verdict::Reject("`celsius` is missing".into());
        };
        if celsius < ABSOLUTE_ZERO_CELSIUS {
            return Verdict::Reject("`celsius` is below absolute zero".into());
        }
        if celsius > self.celsius_max {
            return Verdict::Reject("`celsius` is above `celsius_max`".into());
        }
        reading.sensor = reading.sensor.map(str::trim);
        reading.fahrenheit = celsius * 9.0 / 5.0 + 32.0;
        Verdict::Keep
    }
}

millstream_sdk::export!(Thermometer);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(celsius: Option<f64>, expect: Result<f64, &str>) {
        let mut reading = Reading { celsius, ..Reading::default() };
        let verdict = Thermometer { celsius_max: 60.0 }.process(&mut reading);
        match expect {
            Ok(fahrenheit) => assert_eq!((verdict, reading.fahrenheit), (Verdict::Keep, fahrenheit)),
            Err(reason) => assert_eq!(verdict, Verdict::Reject(reason.to_owned().into())),
        }
    }

    #[test]
    fn a_reading_is_converted_or_rejected() {
        check(Some(21.5), Ok(70.7));
        check(Some(-300.0), Err("`celsius` is below absolute zero"));
        check(Some(61.0), Err("`celsius` is above `celsius_max`"));
        check(None, Err("`celsius` is missing"));
    }
}
