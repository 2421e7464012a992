//! `/tap`: rows as they pass, one JSON object a line, until the client goes or the run ends. The first line
//! is `{"_columns":[…]}`; a line `{"_skipped":n}` says that so many rows passed unseen. All work on a row
//! happens here, beside the I/O threads and a chunk at a time, and no more rows are made text than somebody
//! can follow.

mod request;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, StringArray};
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
/// Bytes of rows that are made text at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// Quotes, colon, comma and a `null` of a value in a line.
const FIELD_BYTES: usize = 8;

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
    /// Rows that are to be shown.
    chosen: Option<RecordBatch>,
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
        Self { view, tap, begun: false, ended, chosen: None, room: ROWS_MAX, skipped: 0, ticks }
    }

    /// The next lines; none when there will be no more.
    async fn next(mut self) -> Option<(Result<Bytes, ArrowError>, Self)> {
        if !self.begun {
            self.begun = true;
            return Some((Ok(line(&json!({ "_columns": self.view.names() }))), self));
        }
        loop {
            if let Some(rows) = self.chosen.take() {
                let count = rows_of_chunk(&rows);
                let rest = rows.num_rows() - count;
                self.chosen = (rest > 0).then(|| rows.slice(count, rest));
                let text = aside(move || text(&rows.slice(0, count))).await;
                return Some((text, self));
            }
            if self.ended {
                return None;
            }
            let told = tokio::select! {
                _ = self.ticks.tick() => self.told(),
                rows = self.tap.next() => match rows {
                    Some(rows) => match self.choose(rows).await {
                        Ok(()) => None,
                        Err(error) => return Some((Err(error), self)),
                    },
                    None => {
                        self.ended = true;
                        self.told()
                    }
                },
            };
            if let Some(told) = told {
                return Some((Ok(told), self));
            }
        }
    }

    /// The line about rows left out, if there are any. There is room for rows again.
    fn told(&mut self) -> Option<Bytes> {
        self.room = ROWS_MAX;
        let skipped = std::mem::take(&mut self.skipped) + self.tap.take_skipped();
        (skipped > 0).then(|| line(&json!({ "_skipped": skipped })))
    }

    /// Chooses those rows that are wanted and have room.
    async fn choose(&mut self, rows: RecordBatch) -> Result<(), ArrowError> {
        let projected = rows.project(&self.view.columns)?;
        let wanted = match self.view.predicate.clone() {
            Some(predicate) => {
                aside(move || filter_record_batch(&projected, &predicate.evaluate(&rows)?)).await?
            }
            None => projected,
        };
        let left = usize::try_from(self.view.left).unwrap_or(usize::MAX);
        let shown = wanted.num_rows().min(self.room).min(left);
        if shown < left {
            self.skipped += (wanted.num_rows() - shown) as u64;
        }
        self.room -= shown;
        self.view.left -= shown as u64;
        self.ended = self.view.left == 0;
        self.chosen = (shown > 0).then(|| wanted.slice(0, shown));
        Ok(())
    }
}

/// Does work that takes a while where it holds up no other connection.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArrowError> + Send + 'static,
) -> Result<T, ArrowError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ArrowError::ExternalError(Box::new(error))))
}

/// How many of `rows`, of which there are some, are made one chunk: at least one.
fn rows_of_chunk(rows: &RecordBatch) -> usize {
    let mut count = rows.num_rows();
    while count > 1 && bytes(&rows.slice(0, count)) > CHUNK_BYTES {
        count /= 2;
    }
    count
}

/// About as many bytes as `rows` have as text.
fn bytes(rows: &RecordBatch) -> usize {
    let names = rows.schema_ref().fields().iter().map(|field| field.name().len() + FIELD_BYTES);
    let values = rows.columns().iter().map(|column| {
        column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
    });
    names.sum::<usize>() * rows.num_rows() + values.sum::<usize>()
}

/// `rows` as lines.
fn text(rows: &RecordBatch) -> Result<Bytes, ArrowError> {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    writer.write(&readable(rows)?)?;
    writer.finish()?;
    Ok(writer.into_inner().into())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// All rows that had come were once made one text, however long they were.
    #[test]
    fn a_chunk_is_bounded_and_holds_a_row_at_least() {
        let rows = |lengths: &[usize]| {
            let texts = lengths.iter().map(|length| Some("x".repeat(*length)));
            let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
            RecordBatch::try_from_iter([("text", texts)]).unwrap()
        };
        assert_eq!(rows_of_chunk(&rows(&[10; 100])), 100);
        assert_eq!(rows_of_chunk(&rows(&[CHUNK_BYTES / 4; 100])), 3);
        assert_eq!(rows_of_chunk(&rows(&[CHUNK_BYTES * 4, 1])), 1);
        let last = rows(&[CHUNK_BYTES * 4, 1, 1]).slice(1, 2);
        assert_eq!(rows_of_chunk(&last), 2);
        assert_eq!(text(&last).unwrap(), "{\"text\":\"x\"}\n{\"text\":\"x\"}\n");
    }
}
