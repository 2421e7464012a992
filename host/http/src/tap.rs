//! `/tap`: rows as they pass, one JSON object a line, until the client goes or the run ends. The first line
//! is `{"_columns":[…]}`; a line `{"_skipped":n}` says that so many rows passed unseen. All work on a row
//! happens here, on an I/O thread, and no more rows are made text than somebody can follow.

mod request;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray as _, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use millstream_pipeline::tap::Tap;
use millstream_pipeline::telemetry::Telemetry;
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior, interval};

use request::{Request, View};

/// How often rows that were left out are told.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);
/// Rows of one tap that are made text in each [`REPORT_INTERVAL`]; further ones are left out.
const ROWS_MAX: usize = 5000;

/// Serves rows as they pass, or says what is wrong with the request.
pub async fn tap(
    State(telemetry): State<Arc<Telemetry>>,
    query: Result<Query<Request>, QueryRejection>,
) -> Response {
    let request = match query {
        Ok(Query(request)) => request,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    match request.open(&telemetry) {
        Ok((view, tap)) => {
            let body = Body::from_stream(stream::unfold(Lines::new(view, tap), Lines::next));
            ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
        }
        Err(error) => refuse(error.status(), &error.to_string()),
    }
}

fn refuse(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

/// The lines of one answer.
struct Lines {
    view: View,
    tap: Tap,
    begun: bool,
    ended: bool,
    /// Rows that may still be shown until the next tick.
    room: usize,
    /// Rows that were left out and not told yet.
    skipped: u64,
    ticks: Interval,
}

impl Lines {
    fn new(view: View, tap: Tap) -> Self {
        let mut ticks = interval(REPORT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = view.left == 0;
        Self { view, tap, begun: false, ended, room: ROWS_MAX, skipped: 0, ticks }
    }

    /// The next lines; none when there will be no more.
    async fn next(mut self) -> Option<(Result<Bytes, ArrowError>, Self)> {
        if !self.begun {
            self.begun = true;
            return Some((Ok(line(&json!({ "_columns": self.view.names() }))), self));
        }
        while !self.ended {
            let lines = tokio::select! {
                _ = self.ticks.tick() => self.told(),
                rows = self.tap.next() => match rows {
                    Some(rows) => self.show(&rows).transpose(),
                    None => {
                        self.ended = true;
                        self.told()
                    }
                },
            };
            if let Some(lines) = lines {
                return Some((lines, self));
            }
        }
        None
    }

    /// The line about rows left out, if there are any. There is room for rows again.
    fn told(&mut self) -> Option<Result<Bytes, ArrowError>> {
        self.room = ROWS_MAX;
        let skipped = std::mem::take(&mut self.skipped) + self.tap.take_skipped();
        (skipped > 0).then(|| Ok(line(&json!({ "_skipped": skipped }))))
    }

    /// The lines of those rows that are wanted and have room.
    fn show(&mut self, rows: &RecordBatch) -> Result<Option<Bytes>, ArrowError> {
        let wanted = match &self.view.predicate {
            Some(predicate) => filter_record_batch(rows, &predicate.evaluate(rows)?)?,
            None => rows.clone(),
        };
        let left = usize::try_from(self.view.left).unwrap_or(usize::MAX);
        let shown = wanted.num_rows().min(self.room).min(left);
        if shown < left {
            self.skipped += (wanted.num_rows() - shown) as u64;
        }
        self.room -= shown;
        self.view.left -= shown as u64;
        self.ended = self.view.left == 0;
        if shown == 0 {
            return Ok(None);
        }
        let wanted = readable(&wanted.slice(0, shown).project(&self.view.columns)?)?;
        let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
        writer.write(&wanted)?;
        writer.finish()?;
        Ok(Some(writer.into_inner().into()))
    }
}

fn line(value: &serde_json::Value) -> Bytes {
    format!("{value}\n").into()
}

/// Bytes are mostly text that somebody sent; as such they are easier to read than as digits.
fn readable(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
        if field.data_type() == &DataType::Binary {
            let texts = column.as_binary::<i32>().iter();
            let texts = texts.map(|bytes| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
            fields.push(Field::new(field.name(), DataType::Utf8, true));
            columns.push(Arc::new(texts.collect::<StringArray>()));
        } else {
            fields.push(field.as_ref().clone());
            columns.push(column.clone());
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}
