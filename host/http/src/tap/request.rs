//! What a client wants to see: checked against the streams that run, it becomes a tap and a view. Every
//! mistake is answered with what there is instead.

use std::sync::Arc;

use arrow::datatypes::Schema;
use axum::http::StatusCode;
use millstream_pipeline::predicate::{Predicate, PredicateError};
use millstream_pipeline::tap::{Place, Tap, TapError};
use millstream_pipeline::telemetry::{StreamFigures, Telemetry};
use serde::Deserialize;

/// The parameters of `/tap`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    stream: String,
    /// Rows in front of this step.
    before: Option<String>,
    /// Rows behind this step. Without any place: behind the last one.
    after: Option<String>,
    /// Dead letters.
    #[serde(default)]
    rejected: bool,
    /// Rows for which this is true.
    r#where: Option<String>,
    /// Rows to show.
    limit: Option<u64>,
    /// Columns to show, with commas between them.
    columns: Option<String>,
}

/// What is shown of the rows.
#[derive(Debug)]
pub struct View {
    /// Rows for which this is true.
    pub predicate: Option<Arc<Predicate>>,
    /// Numbers of the columns.
    pub columns: Vec<usize>,
    /// Rows still to be shown.
    pub left: u64,
    names: Vec<String>,
}

impl View {
    /// Names of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// What is wrong with a request.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The run has not begun to read.
    #[error("the run is still starting: {reasons}; try again")]
    Starting {
        /// What it waits for.
        reasons: String,
    },
    /// No such stream.
    #[error("no stream `{stream}`; there are: {known}")]
    UnknownStream {
        /// The name.
        stream: String,
        /// The streams there are.
        known: String,
    },
    /// No such step.
    #[error("no step `{step}` in stream `{stream}`; it has: {known}")]
    UnknownStep {
        /// The stream.
        stream: String,
        /// The name.
        step: String,
        /// The steps it has.
        known: String,
    },
    /// Several places at once.
    #[error("choose one of before, after and rejected")]
    SeveralPlaces,
    /// No such column.
    #[error("no column `{column}` there; the rows have: {known}")]
    UnknownColumn {
        /// The name.
        column: String,
        /// The columns there are.
        known: String,
    },
    /// A column twice.
    #[error("column `{column}` is named twice; name each column once")]
    RepeatedColumn {
        /// The name.
        column: String,
    },
    /// The condition does not fit the rows.
    #[error("where: {0}")]
    Where(#[from] PredicateError),
    /// No room for another tap.
    #[error(transparent)]
    Tap(#[from] TapError),
}

impl RequestError {
    /// The answer's code.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Starting { .. } | Self::Tap(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::UnknownStream { .. } | Self::UnknownStep { .. } => StatusCode::NOT_FOUND,
            Self::SeveralPlaces
            | Self::UnknownColumn { .. }
            | Self::RepeatedColumn { .. }
            | Self::Where(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl Request {
    /// Checks the request and begins to look.
    pub fn open(self, telemetry: &Telemetry) -> Result<(View, Tap), RequestError> {
        if telemetry.streams().is_empty() {
            let reasons = telemetry.readiness().reasons.join(", ");
            return Err(RequestError::Starting { reasons });
        }
        let stream = telemetry.stream(&self.stream).ok_or_else(|| RequestError::UnknownStream {
            stream: self.stream.clone(),
            known: list(telemetry.streams().iter().map(|stream| &*stream.name)),
        })?;
        let place = self.place(stream)?;
        let tap = stream.taps.open(place)?;
        let schema = tap.schema();
        let columns = match &self.columns {
            None => (0..schema.fields().len()).collect(),
            Some(names) => numbers(names, schema)?,
        };
        let predicate = self.r#where.as_deref().map(|text| Predicate::parse(text, schema)).transpose()?;
        let predicate = predicate.map(Arc::new);
        let names = columns.iter().map(|index| schema.field(*index).name().clone()).collect();
        let view = View { predicate, columns, names, left: self.limit.unwrap_or(u64::MAX) };
        Ok((view, tap))
    }

    fn place(&self, stream: &StreamFigures) -> Result<Place, RequestError> {
        let steps = stream.steps();
        let number = |step: &str| {
            let number = steps.iter().position(|known| *known.name == *step);
            number.ok_or_else(|| RequestError::UnknownStep {
                stream: stream.name.to_string(),
                step: step.to_owned(),
                known: list(steps.iter().map(|step| &*step.name)),
            })
        };
        match (&self.before, &self.after, self.rejected) {
            (None, None, true) => Ok(Place::DeadLetters),
            (None, None, false) => Ok(Place::Behind(steps.len())),
            (Some(step), None, false) => Ok(Place::Behind(number(step)?)),
            (None, Some(step), false) => Ok(Place::Behind(number(step)? + 1)),
            _ => Err(RequestError::SeveralPlaces),
        }
    }
}

/// Numbers of the columns that `names` has, with commas between them.
fn numbers(names: &str, schema: &Schema) -> Result<Vec<usize>, RequestError> {
    let mut numbers = Vec::new();
    for name in names.split(',').map(str::trim) {
        let number = schema.index_of(name).map_err(|_| RequestError::UnknownColumn {
            column: name.to_owned(),
            known: list(schema.fields().iter().map(|field| field.name().as_str())),
        })?;
        if numbers.contains(&number) {
            return Err(RequestError::RepeatedColumn { column: name.to_owned() });
        }
        numbers.push(number);
    }
    Ok(numbers)
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
