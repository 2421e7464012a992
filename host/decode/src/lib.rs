//! Decodes JSON messages, once, to Arrow columns. A [`MessageBatch`] and the stream's declared
//! schema enter; columns, and a reason for each message that could not be decoded, leave. It knows no
//! source, step or table. [`discover`] proposes and checks schemas. The rules:
//!
//! - A message is one JSON object in UTF-8, nested at most 128 levels. Nothing may follow it.
//! - `location.lat` is member `lat` of object `location`, `location[0]` an element of an array. A key
//!   that holds a dot itself matches no path. Keys are compared unescaped.
//! - Of a column's paths the first that has a value wins, null only if none has. Of a key that stands
//!   twice the last counts, with all that is below it, as in JavaScript and Python.
//! - A required column must be there and not null; any column, required or not, must have its type.
//!   One failing column fails the message: nothing becomes null silently. A column with `mismatch = "null"`
//!   is null where the value is of another type, and may share its field with others; a value that none of
//!   them reads is counted as drift, or kept as JSON text where a column has `mismatch = "json"`.
//! - Conversions lose nothing: a text that is exactly a JSON number may be in a number column, `3.0` in
//!   an integer one. Floats are the nearest to what is written, and finite. Dates are `YYYY-MM-DD`.
//! - Timestamps are ISO 8601 date-times, where the offset may be missing if a zone is declared: of
//!   a local time that occurs twice the first is meant, one that is skipped is read with the offset
//!   before the gap (jiff's "compatible"). Fractions beyond microseconds are cut, second `:60` is
//!   read as `:59`. Numbers count units of the declared epoch. Years are 1 to 9999.
//! - JSON columns and `_unknown` hold compact text; numbers other than 64-bit integers are in it as the
//!   nearest `f64`.
//! - `_event_time` is null where the event-time column is null or no time; that is no failure.
//! - Undeclared fields are left out, kept in the message's order, or make the message fail. Null in
//!   place of a partly declared object is not undeclared, any other scalar there is.
//! - Reasons name fields and kinds, never values or positions, so that they can be counted.

mod column;
pub mod discover;
mod drift;
pub mod iso8601;
mod malformed;
mod number;
mod plan;
mod problem;
mod spelling;
mod system;
mod tape;
mod text;
mod walk;
mod zone;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, StringBuilder};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use millstream_model::schema::{ColumnSpec, Mismatch, StreamSchema, UnknownFields};
use millstream_model::{MessageBatch, columns};
use simd_json::Node;

pub use plan::SchemaError;
pub use problem::Problem;

pub(crate) use iso8601::{parse as parse_date_time, parse_date};
pub(crate) use number::Number;
pub(crate) use tape::Parser;
pub(crate) use text::{elements, members, write_value};

use column::{ColumnBuilder, append_text};
use drift::Drift;
use plan::{Plan, ROOT};
use walk::Walker;

/// Decodes the messages of one stream. One per task; it keeps its buffers from batch to batch.
pub struct Decoder {
    parser: Parser,
    rows: RowBuilder,
    row_schema: SchemaRef,
    raw_schema: SchemaRef,
}

/// A decoded batch.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// One row per message, in order, of [`Decoder::raw_schema`]: of a message that failed, the columns
    /// that could be decoded, with `_error` and `_bytes`.
    pub raw: RecordBatch,
    /// The messages that decoded, of [`Decoder::row_schema`]; shares the buffers of `raw` if none failed.
    pub rows: RecordBatch,
    /// The messages that failed, in order.
    pub failures: Vec<Failure>,
}

/// A message that could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Row in the message batch, and in [`Decoded::raw`].
    pub row: usize,
    /// Why: field names and kinds, no values.
    pub reason: String,
    /// What is wrong with which column, by its number; nothing if the message is no JSON object, or has
    /// undeclared fields where these are rejected.
    pub problems: Vec<(usize, Problem)>,
}

impl Decoder {
    /// Compiles `schema`, or says what is wrong with it.
    pub fn new(schema: Arc<StreamSchema>) -> Result<Self, SchemaError> {
        let plan = Plan::compile(&schema)?;
        let declared = schema.columns.iter().map(ColumnBuilder::new).collect::<Result<_, _>>()?;
        let mut row_fields = schema.fields();
        let mut raw_fields: Vec<Field> =
            row_fields.iter().map(|field| field.clone().with_nullable(true)).collect();
        row_fields.extend(columns::of_batch());
        raw_fields.extend(columns::of_batch());
        if schema.flags_late {
            let late = Field::new(columns::LATE, DataType::Boolean, false);
            row_fields.push(late.clone());
            raw_fields.push(late);
        }
        raw_fields.push(Field::new(columns::HEADERS, columns::headers(), true));
        raw_fields.push(Field::new(columns::ERROR, DataType::Utf8, true));
        raw_fields.push(Field::new(columns::BYTES, DataType::Binary, true));
        let (walker, drift) = (Walker::new(&plan), Drift::new(&plan));
        let (left_out, unknown) = (Vec::new(), StringBuilder::new());
        let rows = RowBuilder { schema, plan, walker, drift, declared, left_out, unknown };
        Ok(Self {
            parser: Parser::new(),
            rows,
            row_schema: Arc::new(Schema::new(row_fields)),
            raw_schema: Arc::new(Schema::new(raw_fields)),
        })
    }

    /// Schema of [`Decoded::rows`]: the declared columns, `_unknown` if kept, [`columns::of_batch`], and `_late`
    /// if it is asked for, which is false in all rows: when a message came is not known here.
    pub fn row_schema(&self) -> SchemaRef {
        Arc::clone(&self.row_schema)
    }

    /// Schema of [`Decoded::raw`]: as for rows, but nullable, and `_headers`, `_error`, `_bytes`.
    pub fn raw_schema(&self) -> SchemaRef {
        Arc::clone(&self.raw_schema)
    }

    /// Decodes `batch`. Every message becomes a row, or a failure with its reason.
    ///
    /// # Panics
    /// If the batch has so many messages that the topic's name, repeated, exceeds 2 GiB.
    pub fn decode(&mut self, batch: &MessageBatch) -> Decoded {
        let mut failures = Vec::new();
        for (row, message) in batch.iter().enumerate() {
            if let Err((reason, problems)) = self.decode_message(message.value) {
                failures.push(Failure { row, reason, problems });
            }
        }
        let rows = batch.len();
        let mut arrays = self.rows.finish();
        let event_time = system::event_time(&mut self.rows.plan.event_time, &arrays, rows);
        arrays.extend(system::of_batch(batch, event_time));
        if self.rows.schema.flags_late {
            arrays.push(system::on_time(rows));
        }
        let raw_only = system::of_raw(batch, &failures);
        let decoded = self.decoded_rows(&arrays, &failures, rows);
        arrays.extend(raw_only);
        Decoded { raw: record_batch(&self.raw_schema, arrays, rows), rows: decoded, failures }
    }

    /// How often each field stood in a message that no column declares, since this was last asked. Of
    /// fields that go on within an array it is said once a message, as `field[]`; of a declared field whose
    /// value was left out for its type, as `field: another type`.
    pub fn take_drift(&mut self) -> BTreeMap<String, u64> {
        self.rows.drift.take()
    }

    fn decode_message(&mut self, value: Option<&[u8]>) -> Result<(), Refusal> {
        let Self { parser, rows, .. } = self;
        let parsed = match value {
            Some(message) => parser.parse(message, |tape| rows.append(tape)),
            None => Err("no value (tombstone)".to_owned()),
        };
        match parsed {
            Ok(appended) => appended,
            Err(reason) => {
                rows.append_nulls();
                Err((reason, Vec::new()))
            }
        }
    }

    fn decoded_rows(&self, arrays: &[ArrayRef], failures: &[Failure], rows: usize) -> RecordBatch {
        if failures.is_empty() {
            return record_batch(&self.row_schema, arrays.to_vec(), rows);
        }
        let mut keep = vec![true; rows];
        for failure in failures {
            keep[failure.row] = false;
        }
        let fields: Vec<_> = self.raw_schema.fields().iter().take(arrays.len()).cloned().collect();
        let all = record_batch(&Arc::new(Schema::new(fields)), arrays.to_vec(), rows);
        let kept =
            filter_record_batch(&all, &BooleanArray::from(keep)).expect("the filter is as long as the batch");
        let (_, arrays, rows) = kept.into_parts();
        record_batch(&self.row_schema, arrays, rows)
    }
}

/// Why a message is refused: the reason in words, and the columns that have a problem.
type Refusal = (String, Vec<(usize, Problem)>);

/// The declared columns of a batch under construction.
struct RowBuilder {
    schema: Arc<StreamSchema>,
    plan: Plan,
    walker: Walker,
    drift: Drift,
    declared: Vec<ColumnBuilder>,
    /// Of the message at hand, the columns that wait for a value, for what was found is of another type.
    left_out: Vec<LeftOut>,
    unknown: StringBuilder,
}

/// A value that is not of the type of a column that need not take it.
#[derive(Clone, Copy, Debug)]
struct LeftOut {
    column: usize,
    /// Where the value is on the tape.
    at: usize,
}

impl RowBuilder {
    /// Appends the message on `tape`; if it fails, with null for each column that failed.
    fn append(&mut self, tape: &[Node<'_>]) -> Result<(), Refusal> {
        let mut problems = self.append_declared(tape);
        self.settle_left_out(tape, &mut problems);
        let Self { schema, plan, walker, drift, unknown, .. } = self;
        let undeclared = !walker.undeclared().is_empty();
        if undeclared {
            drift.count(tape, walker.undeclared());
        }
        if schema.unknown == UnknownFields::Keep {
            append_unknown(plan, tape, undeclared, unknown);
        }
        let rejected = undeclared && schema.unknown == UnknownFields::Reject;
        if problems.is_empty() && !rejected {
            return Ok(());
        }
        Err((problem::reason(schema, plan, tape, &problems, rejected), problems))
    }

    /// Appends to each column but those that are left out.
    fn append_declared(&mut self, tape: &[Node<'_>]) -> Vec<(usize, Problem)> {
        let Self { schema, plan, walker, declared, left_out, .. } = self;
        walker.walk(plan, tape);
        left_out.clear();
        let mut problems = Vec::new();
        for (number, column) in declared.iter_mut().enumerate() {
            let ColumnSpec { required, mismatch, .. } = schema.columns[number];
            let appended = match walker.best(tape, &plan.slots[number]) {
                Some(at) if required && walk::is_null(&tape[at]) => Err(Problem::Null),
                Some(at) => match column.append(&tape[at..]) {
                    Err(problem) if mismatch != Mismatch::Error && problem.is_mismatch() => {
                        left_out.push(LeftOut { column: number, at });
                        continue;
                    }
                    appended => appended,
                },
                None if required => Err(Problem::Missing),
                None => {
                    column.append_null();
                    Ok(())
                }
            };
            if let Err(problem) = appended {
                column.append_null();
                problems.push((number, problem));
            }
        }
        problems
    }

    /// Appends to the columns that are left out. A value that other columns read something of is theirs;
    /// of any other, its text is kept or its loss counted.
    fn settle_left_out(&mut self, tape: &[Node<'_>], problems: &mut Vec<(usize, Problem)>) {
        for index in 0..self.left_out.len() {
            let left_out = self.left_out[index];
            let LeftOut { column, at } = left_out;
            let is_lost = !self.walker.has_below(tape, at) && self.is_lost(tape, left_out, problems);
            let is_counted = self.left_out[..index].iter().any(|earlier| earlier.at == at);
            let builder = &mut self.declared[column];
            if !is_lost {
                builder.append_null();
            } else if self.schema.columns[column].mismatch == Mismatch::Json {
                if let Err(problem) = builder.append_json(&tape[at..]) {
                    builder.append_null();
                    problems.push((column, problem));
                }
            } else {
                builder.append_null();
                if !is_counted {
                    self.drift.count_other_type(self.walker.slot_at(&self.plan.slots[column], at));
                }
            }
        }
    }

    /// True if no other column reads the value, nor what it is part of.
    #[cold]
    fn is_lost(&self, tape: &[Node<'_>], value: LeftOut, problems: &[(usize, Problem)]) -> bool {
        let keeps_json = |column: usize| self.schema.columns[column].mismatch == Mismatch::Json;
        let is_read = |column: usize| match self.left_out.iter().any(|left_out| left_out.column == column) {
            true => keeps_json(column) && !keeps_json(value.column),
            false => problems.iter().all(|(failed, _)| *failed != column),
        };
        let reads = |(column, slots): (usize, &Vec<plan::Slot>)| {
            let best = self.walker.best(tape, slots);
            best.is_some_and(|best| (best..best + tape::width(&tape[best])).contains(&value.at))
                && is_read(column)
        };
        !self.plan.slots.iter().enumerate().any(reads)
    }

    /// Appends a row of nulls.
    fn append_nulls(&mut self) {
        for column in &mut self.declared {
            column.append_null();
        }
        if self.schema.unknown == UnknownFields::Keep {
            self.unknown.append_null();
        }
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        let mut arrays: Vec<ArrayRef> = self.declared.iter_mut().map(ColumnBuilder::finish).collect();
        if self.schema.unknown == UnknownFields::Keep {
            arrays.push(Arc::new(self.unknown.finish()));
        }
        arrays
    }
}

fn append_unknown(plan: &Plan, tape: &[Node<'_>], undeclared: bool, unknown: &mut StringBuilder) {
    if !undeclared {
        unknown.append_null();
        return;
    }
    let mut text = String::new();
    text::write_undeclared(plan, ROOT, tape, &mut text);
    if append_text(unknown, &text).is_err() {
        unknown.append_null();
    }
}

fn record_batch(schema: &SchemaRef, arrays: Vec<ArrayRef>, rows: usize) -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
        .expect("columns are built by the schema they are checked against")
}
