//! Converts columns from one unit to another, in place or into a new column. Works on any stream with
//! numbers; whole numbers become decimal ones. Nulls stay null.

use millstream_sdk::columnar::{Batch, Columnar, Read, Stream, Write};
use millstream_sdk::plan::{ConfigProblem, DataType};
use millstream_sdk::{About, Error};
use serde::Deserialize;

/// Units: name, kind, the value at the zero of the kind's own unit, and how much of that unit one is.
const UNITS: [(&str, &str, f64, f64); 19] = [
    ("km/h", "speed", 0.0, 1.0),
    ("m/s", "speed", 0.0, 3.6),
    ("mph", "speed", 0.0, 1.609_344),
    ("kn", "speed", 0.0, 1.852),
    ("m", "length", 0.0, 1.0),
    ("km", "length", 0.0, 1000.0),
    ("mi", "length", 0.0, 1609.344),
    ("ft", "length", 0.0, 0.3048),
    ("°C", "temperature", 0.0, 1.0),
    ("K", "temperature", 273.15, 1.0),
    ("°F", "temperature", 32.0, 5.0 / 9.0),
    ("Pa", "pressure", 0.0, 1.0),
    ("hPa", "pressure", 0.0, 100.0),
    ("bar", "pressure", 0.0, 100_000.0),
    ("psi", "pressure", 0.0, 6_894.757_293_168),
    ("l", "volume", 0.0, 1.0),
    ("gal", "volume", 0.0, 4.546_09),
    ("kg", "mass", 0.0, 1.0),
    ("lb", "mass", 0.0, 0.453_592_37),
];

/// The configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    columns: Vec<Conversion>,
}

/// One column.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversion {
    column: String,
    from: String,
    to: String,
    /// A new column for the result; without it, the column itself.
    into: Option<String>,
}

enum Numbers {
    Decimal(Read<Option<f64>>),
    Whole(Read<Option<i64>>),
}

struct Converted {
    from: Numbers,
    into: Write<Option<f64>>,
    by: Factors,
}

/// From one unit to another of its kind.
struct Factors {
    from_zero: f64,
    factor: f64,
    to_zero: f64,
}

impl Factors {
    fn convert(&self, value: f64) -> f64 {
        (value - self.from_zero) * self.factor + self.to_zero
    }
}

/// The plugin.
pub struct ConvertUnits(Vec<Converted>);

impl Columnar for ConvertUnits {
    type Config = Config;

    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        config_schema: Some(include_str!("../config.schema.json")),
        example_config: include_str!("../config.example.json"),
    };

    fn configure(config: Config, stream: &mut Stream<'_>) -> Result<Self, Vec<ConfigProblem>> {
        stream.keeps_every_row();
        let (mut converted, mut problems) = (Vec::new(), Vec::new());
        for (number, Conversion { column, from, to, into }) in config.columns.iter().enumerate() {
            match factors(number, from, to) {
                Ok(by) => {
                    let is_whole = stream.column(column).is_some_and(|column| column.ty == DataType::Int64);
                    let from = if is_whole {
                        Numbers::Whole(stream.read(column))
                    } else {
                        Numbers::Decimal(stream.read(column))
                    };
                    let into = stream.write(into.as_ref().unwrap_or(column));
                    converted.push(Converted { from, into, by });
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(Self(converted)) } else { Err(problems) }
    }

    fn process(&mut self, batch: &mut Batch<'_>) -> Result<(), Error> {
        for Converted { from, into, by } in &self.0 {
            match from {
                Numbers::Decimal(column) => {
                    let mut numbers = batch.read(*column);
                    numbers.values_mut().iter_mut().for_each(|value| *value = by.convert(*value));
                    batch.write(*into, numbers);
                }
                Numbers::Whole(column) => {
                    let numbers = batch.read(*column);
                    let converted = numbers.iter().map(|value| Some(by.convert(value? as f64)));
                    batch.write_each(*into, converted);
                }
            }
        }
        Ok(())
    }
}

millstream_sdk::export!(ConvertUnits);

fn factors(number: usize, from: &str, to: &str) -> Result<Factors, ConfigProblem> {
    let unit = |key: &str, name: &str| {
        let found = UNITS.iter().find(|(known, ..)| *known == name);
        found.ok_or_else(|| {
            let known: Vec<_> = UNITS.iter().map(|(known, ..)| *known).collect();
            let message = format!("unknown unit `{name}`; known are {}", known.join(", "));
            ConfigProblem::new(format!("columns[{number}].{key}"), message)
        })
    };
    let (_, kind, from_zero, from_factor) = *unit("from", from)?;
    let (_, other, to_zero, to_factor) = *unit("to", to)?;
    if kind != other {
        let message = format!("`{from}` is a {kind}, `{to}` is a {other}");
        return Err(ConfigProblem::new(format!("columns[{number}].to"), message));
    }
    Ok(Factors { from_zero, factor: from_factor / to_factor, to_zero })
}

#[cfg(test)]
mod tests;
