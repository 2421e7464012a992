//! The schema of a stream: its columns, where each is found in a message, and which one is the event time.

use std::collections::HashMap;

use arrow::datatypes::TimeUnit;
use millstream_model::columns::{self, DAY};
use millstream_model::schema::{ColumnSpec, ColumnType, EventTime, Mismatch, StreamSchema, UnknownFields};

use crate::{ConfigError, Document, path, typed};

/// Checks a schema whose keys stand below those of `at`: `["streams", "vehicle"]`; nothing if at the top of the file.
pub fn schema(
    document: &Document,
    at: &[&str],
    typed: &typed::SchemaKeys,
) -> Result<StreamSchema, ConfigError> {
    if typed.schema.0.is_empty() {
        return Err(document.error(&[at, &["schema"]].concat(), "no column declared"));
    }
    let columns = typed.schema.0.iter().map(|(name, column)| self::column(document, at, name, &column.table));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    one_column_per_path(document, at, &columns)?;
    let event_time = typed.event_time.as_ref().map(|typed| event_time(document, at, typed, &columns));
    let unknown = match typed.unknown_fields {
        typed::UnknownFields::Ignore => UnknownFields::Ignore,
        typed::UnknownFields::Keep => UnknownFields::Keep,
        typed::UnknownFields::Reject => UnknownFields::Reject,
    };
    Ok(StreamSchema { columns, unknown, event_time: event_time.transpose()?, flags_late: false })
}

fn column(
    document: &Document,
    at: &[&str],
    name: &str,
    typed: &typed::ColumnTable,
) -> Result<ColumnSpec, ConfigError> {
    let error = |key: &str, message: String| {
        let key: &[&str] = if key.is_empty() { &[] } else { &[key] };
        document.error(&[at, &["schema", name], key].concat(), message)
    };
    if columns::is_system(name) {
        return Err(error("", "names that begin with an underscore are kept for millstream".to_owned()));
    }
    if name == DAY {
        return Err(error(
            "",
            format!("tables are partitioned by `{DAY}`; name the column otherwise and add path = \"{DAY}\""),
        ));
    }
    if typed.r#type != typed::ColumnType::Timestamp && (typed.zone.is_some() || typed.epoch.is_some()) {
        let key = if typed.zone.is_some() { "zone" } else { "epoch" };
        return Err(error(key, "only a column of type \"timestamp\" has one".to_owned()));
    }
    if let Some(zone) = &typed.zone {
        known_zone(zone).map_err(|message| error("zone", message))?;
    }
    let mismatch = match typed.mismatch {
        typed::Mismatch::Error => Mismatch::Error,
        _ if typed.required => {
            let message = "a required column is never null; take out `required` or `mismatch`";
            return Err(error("mismatch", message.to_owned()));
        }
        typed::Mismatch::Null => Mismatch::Null,
        typed::Mismatch::Json if typed.r#type != typed::ColumnType::String => {
            let message = "only a column of type \"string\" can hold JSON in place of its own values";
            return Err(error("mismatch", message.to_owned()));
        }
        typed::Mismatch::Json => Mismatch::Json,
    };
    let first = match &typed.path {
        Some(text) => path::parse(text).map_err(|message| error("path", message))?,
        None => path::parse(name).map_err(|message| error("", message))?,
    };
    let aliases = typed.aliases.iter().map(|alias| path::parse(alias));
    let aliases = aliases.collect::<Result<Vec<_>, _>>().map_err(|message| error("aliases", message))?;
    Ok(ColumnSpec {
        name: name.to_owned(),
        ty: column_type(typed),
        required: typed.required,
        mismatch,
        paths: std::iter::once(first).chain(aliases).collect(),
    })
}

fn column_type(typed: &typed::ColumnTable) -> ColumnType {
    match typed.r#type {
        typed::ColumnType::Boolean => ColumnType::Boolean,
        typed::ColumnType::Int32 => ColumnType::Int32,
        typed::ColumnType::Int64 => ColumnType::Int64,
        typed::ColumnType::Float32 => ColumnType::Float32,
        typed::ColumnType::Float64 => ColumnType::Float64,
        typed::ColumnType::String => ColumnType::Utf8,
        typed::ColumnType::Date => ColumnType::Date,
        typed::ColumnType::Timestamp => {
            ColumnType::Timestamp { zone: typed.zone.clone(), epoch: typed.epoch.map(time_unit) }
        }
        typed::ColumnType::Float64List => ColumnType::Float64List,
        typed::ColumnType::StringList => ColumnType::Utf8List,
        typed::ColumnType::Json => ColumnType::Json,
    }
}

fn time_unit(epoch: typed::Epoch) -> TimeUnit {
    match epoch {
        typed::Epoch::Second => TimeUnit::Second,
        typed::Epoch::Millisecond => TimeUnit::Millisecond,
        typed::Epoch::Microsecond => TimeUnit::Microsecond,
        typed::Epoch::Nanosecond => TimeUnit::Nanosecond,
    }
}

/// Whether the time zone database has `zone`.
pub fn known_zone(zone: &str) -> Result<(), String> {
    jiff::tz::TimeZone::get(zone)
        .map(|_| ())
        .map_err(|_| format!("`{zone}` is not a time zone; expected an IANA name such as \"Europe/London\""))
}

fn one_column_per_path(document: &Document, at: &[&str], columns: &[ColumnSpec]) -> Result<(), ConfigError> {
    // Of columns that share a field, the one that takes values of one type only decides.
    let mut owners: HashMap<_, &ColumnSpec> = HashMap::new();
    for column in columns {
        for path in &column.paths {
            let Some(other) = owners.get(path) else {
                owners.insert(path, column);
                continue;
            };
            let message = if other.name == column.name {
                format!("`{}` stands twice among its name, path and aliases", path::render(path))
            } else if column.mismatch != Mismatch::Error {
                continue;
            } else if other.mismatch != Mismatch::Error {
                owners.insert(path, column);
                continue;
            } else {
                format!(
                    "`{}` is read into column `{}` already; a field goes into one column, and into others that \
                     have mismatch = \"null\" or \"json\"",
                    path::render(path),
                    other.name
                )
            };
            return Err(document.error(&[at, &["schema", &column.name]].concat(), message));
        }
    }
    Ok(())
}

fn event_time(
    document: &Document,
    at: &[&str],
    typed: &typed::EventTime,
    columns: &[ColumnSpec],
) -> Result<EventTime, ConfigError> {
    let (name, zone, epoch) = match typed {
        typed::EventTime::Column(name) => (name, None, None),
        typed::EventTime::Full(full) => (&full.column, full.zone.clone(), full.epoch),
    };
    let error = |message: String| document.error(&[at, &["event_time"]].concat(), message);
    let column = columns.iter().find(|column| column.name == *name);
    let column = column.ok_or_else(|| error(format!("no column `{name}` in the stream's schema")))?;
    let usable = matches!(
        column.ty,
        ColumnType::Timestamp { .. } | ColumnType::Utf8 | ColumnType::Int32 | ColumnType::Int64
    );
    if !usable {
        return Err(error(format!("column `{name}` is no timestamp, string or integer")));
    }
    if matches!(column.ty, ColumnType::Int32 | ColumnType::Int64) && epoch.is_none() {
        return Err(error(format!(
            "column `{name}` is a number: say its unit with epoch = \"s\", \"ms\", \"us\" or \"ns\""
        )));
    }
    if let Some(zone) = &zone {
        known_zone(zone).map_err(error)?;
    }
    Ok(EventTime { column: name.clone(), zone, epoch: epoch.map(time_unit) })
}
