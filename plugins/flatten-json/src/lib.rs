//! Makes columns of what is in a column of JSON text: the configuration names the columns, where each is
//! found (a JSON pointer, RFC 6901: `/engine/oil/0`) and its type. What is not there is null, and so is a value
//! of another type, unless the configuration wants such rows rejected.

use millstream_sdk::columnar::{Batch, Columnar, Read, Stream, Write};
use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Error};
use serde::Deserialize;
use serde_json::Value;

/// The configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The column with the JSON.
    column: String,
    columns: Vec<Flat>,
    /// The JSON does not go on.
    #[serde(default)]
    drop: bool,
    /// Rows with a value of another type, or what is no JSON, become dead letters.
    #[serde(default)]
    strict: bool,
}

/// One new column.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flat {
    name: String,
    pointer: String,
    #[serde(rename = "type")]
    ty: Type,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    String,
    Int64,
    Float64,
    Boolean,
    /// Whatever is there, as JSON text.
    Json,
}

/// A column that is written, by its type.
enum To {
    Text(Write<Option<String>>),
    Int64(Write<Option<i64>>),
    Float64(Write<Option<f64>>),
    Boolean(Write<Option<bool>>),
    Json(Write<Option<String>>),
}

/// The plugin.
pub struct FlattenJson {
    json: Read<Option<String>>,
    columns: Vec<(String, To)>,
    strict: bool,
}

impl Columnar for FlattenJson {
    type Config = Config;

    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        config_schema: Some(include_str!("../config.schema.json")),
        example_config: include_str!("../config.example.json"),
    };

    fn configure(config: Config, stream: &mut Stream<'_>) -> Result<Self, Vec<ConfigProblem>> {
        let json = stream.read(&config.column);
        let to = |Flat { name, pointer, ty }: &Flat| {
            let to = match ty {
                Type::String => To::Text(stream.write(name)),
                Type::Int64 => To::Int64(stream.write(name)),
                Type::Float64 => To::Float64(stream.write(name)),
                Type::Boolean => To::Boolean(stream.write(name)),
                Type::Json => To::Json(stream.write(name)),
            };
            (pointer.clone(), to)
        };
        let columns = config.columns.iter().map(to).collect();
        if config.drop {
            stream.drop_column(&config.column);
        }
        Ok(Self { json, columns, strict: config.strict })
    }

    fn process(&mut self, batch: &mut Batch<'_>) -> Result<(), Error> {
        let texts = batch.read(self.json);
        let mut documents = Vec::with_capacity(batch.rows());
        for (row, text) in texts.iter().enumerate() {
            let document = serde_json::from_str::<Value>(text.unwrap_or("null"));
            if document.is_err() && self.strict {
                batch.reject(row, "the column is not JSON");
            }
            documents.push(document.unwrap_or_default());
        }
        for (pointer, to) in &self.columns {
            let found = documents.iter().map(|document| document.pointer(pointer));
            let found: Vec<_> = found.map(|found| found.filter(|found| !found.is_null())).collect();
            let misfits = match to {
                To::Text(to) => write(batch, *to, &found, Value::as_str),
                To::Int64(to) => write(batch, *to, &found, Value::as_i64),
                To::Float64(to) => write(batch, *to, &found, Value::as_f64),
                To::Boolean(to) => write(batch, *to, &found, Value::as_bool),
                To::Json(to) => write(batch, *to, &found, |value| Some(value.to_string())),
            };
            for row in misfits.into_iter().filter(|_| self.strict) {
                batch.reject(row, format!("`{pointer}` is of another type"));
            }
        }
        Ok(())
    }
}

millstream_sdk::export!(FlattenJson);

/// Writes what was found, and says in which rows it is of another type.
fn write<'v, V, W>(
    batch: &mut Batch<'_>,
    to: Write<V>,
    found: &[Option<&'v Value>],
    take: impl Fn(&'v Value) -> Option<W>,
) -> Vec<usize>
where
    V: millstream_sdk::Value<'static>,
    W: millstream_sdk::Value<'v, Builder = V::Builder>,
{
    let values: Vec<Option<W>> = found.iter().map(|found| found.and_then(&take)).collect();
    let is_misfit = |(found, value): (&Option<&Value>, &Option<W>)| found.is_some() && value.is_none();
    let misfits = found.iter().zip(&values).map(is_misfit).enumerate();
    let misfits = misfits.filter(|(_, misfit)| *misfit).map(|(row, _)| row).collect();
    batch.write_each(to, values);
    misfits
}

#[cfg(test)]
mod tests;
