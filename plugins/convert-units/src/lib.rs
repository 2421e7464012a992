//! Converts columns from one unit to another, in place or into a new column. Works on any stream with
//! numbers; whole numbers become decimal ones. Nulls stay null.

use millstream_sdk::columnar::{Batch, Columnar, Read, Stream, Write};
use millstream_sdk::plan::{ConfigProblem, DataType};
use millstream_sdk::{About, Error};
use serde::Deserialize;

/// Units: name, kind, and what turns it into the first unit of its kind: a factor, then an offset.
const UNITS: [(&str, &str, f64, f64); 19] = [
    ("m/s", "speed", 1.0, 0.0),
    ("km/h", "speed", 1000.0 / 3600.0, 0.0),
    ("mph", "speed", 1609.344 / 3600.0, 0.0),
    ("kn", "speed", 1852.0 / 3600.0, 0.0),
    ("m", "length", 1.0, 0.0),
    ("km", "length", 1000.0, 0.0),
    ("mi", "length", 1609.344, 0.0),
    ("ft", "length", 0.3048, 0.0),
    ("K", "temperature", 1.0, 0.0),
    ("°C", "temperature", 1.0, 273.15),
    ("°F", "temperature", 5.0 / 9.0, 273.15 - 32.0 * 5.0 / 9.0),
    ("Pa", "pressure", 1.0, 0.0),
    ("hPa", "pressure", 100.0, 0.0),
    ("bar", "pressure", 100_000.0, 0.0),
    ("psi", "pressure", 6_894.757_293_168, 0.0),
    ("l", "volume", 1.0, 0.0),
    ("gal", "volume", 4.546_09, 0.0),
    ("kg", "mass", 1.0, 0.0),
    ("lb", "mass", 0.453_592_37, 0.0),
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
    factor: f64,
    offset: f64,
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
                Ok((factor, offset)) => {
                    let is_whole = stream.column(column).is_some_and(|column| column.ty == DataType::Int64);
                    let from = if is_whole {
                        Numbers::Whole(stream.read(column))
                    } else {
                        Numbers::Decimal(stream.read(column))
                    };
                    let into = stream.write(into.as_ref().unwrap_or(column));
                    converted.push(Converted { from, into, factor, offset });
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(Self(converted)) } else { Err(problems) }
    }

    fn process(&mut self, batch: &mut Batch<'_>) -> Result<(), Error> {
        for Converted { from, into, factor, offset } in &self.0 {
            match from {
                Numbers::Decimal(column) => {
                    let mut numbers = batch.read(*column);
                    numbers.values_mut().iter_mut().for_each(|value| *value = *value * factor + offset);
                    batch.write(*into, numbers);
                }
                Numbers::Whole(column) => {
                    let numbers = batch.read(*column);
                    let converted = numbers.iter().map(|value| Some(value? as f64 * factor + offset));
                    batch.write_each(*into, converted);
                }
            }
        }
        Ok(())
    }
}

millstream_sdk::export!(ConvertUnits);

/// What a value is multiplied by, and what is then added.
fn factors(number: usize, from: &str, to: &str) -> Result<(f64, f64), ConfigProblem> {
    let unit = |key: &str, name: &str| {
        let found = UNITS.iter().find(|(known, ..)| *known == name);
        found.ok_or_else(|| {
            let known: Vec<_> = UNITS.iter().map(|(known, ..)| *known).collect();
            let message = format!("unknown unit `{name}`; known are {}", known.join(", "));
            ConfigProblem::new(format!("columns[{number}].{key}"), message)
        })
    };
    let ((_, kind, factor, offset), (_, other, to_factor, to_offset)) =
        (unit("from", from)?, unit("to", to)?);
    if kind != other {
        let message = format!("`{from}` is a {kind}, `{to}` is a {other}");
        return Err(ConfigProblem::new(format!("columns[{number}].to"), message));
    }
    Ok((factor / to_factor, (offset - to_offset) / to_factor))
}

#[cfg(test)]
mod tests;
