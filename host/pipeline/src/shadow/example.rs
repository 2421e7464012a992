//! Shows differences in full: what either version made of a message, as JSON of bounded size.

use std::collections::BTreeSet;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;
use millstream_engine::StepOutput;
use millstream_model::{Offset, columns};
use serde_json::{Map, Value, json};

use super::columns::Columns;
use super::compare::{ComparedOutput, Comparer};
use super::found::{Found, Kind};
use super::report::{Difference, EXAMPLES_MAX};
use super::values::{cut, differing, shown};
use crate::stage::offsets;

/// Rows of one message that are shown of each output.
const ROWS_MAX: usize = 4;
/// Bytes of a row that are shown; a value more may be.
const ROW_BYTES_MAX: usize = 8 << 10;

/// Makes examples of what was found in a batch, as far as the report has room for them.
pub(super) fn collect(
    comparer: &mut Comparer,
    found: &Found,
    input: &RecordBatch,
    live: &StepOutput,
    candidate: &StepOutput,
) -> Result<(), ArrowError> {
    let (_, known) = comparer.examples();
    let mut missing: BTreeSet<Kind> =
        found.rows_by_kind().map(|(kind, _)| kind).filter(|kind| !known.contains(kind)).cloned().collect();
    for (number, kinds) in found.each() {
        let is_full = comparer.report().examples.len() >= EXAMPLES_MAX;
        if is_full && missing.is_empty() {
            break;
        }
        let unseen = kinds.iter().find(|kind| missing.contains(**kind));
        let Some(kind) = unseen.or_else(|| kinds.first().filter(|_| !is_full)) else { continue };
        if is_full && !make_room(comparer) {
            break;
        }
        missing.remove(*kind);
        let pair = Pair { comparer, offset: found.messages.offset(number), live, candidate };
        let difference = pair.show(kind, input)?;
        let (examples, exemplified) = comparer.examples();
        examples.push(difference);
        exemplified.push((*kind).clone());
    }
    Ok(())
}

/// Takes the last example of the kind that has most; false if each is the only one of its kind.
fn make_room(comparer: &mut Comparer) -> bool {
    let (examples, kinds) = comparer.examples();
    let of_kind = |kind: &Kind| kinds.iter().filter(|other| *other == kind).count();
    let last_of_most = (0..kinds.len()).max_by_key(|index| (of_kind(&kinds[*index]), *index));
    let Some(index) = last_of_most.filter(|index| of_kind(&kinds[*index]) > 1) else { return false };
    examples.remove(index);
    kinds.remove(index);
    true
}

/// What the versions made of one message.
struct Pair<'a> {
    comparer: &'a Comparer,
    offset: Offset,
    live: &'a StepOutput,
    candidate: &'a StepOutput,
}

impl Pair<'_> {
    fn show(&self, kind: &Kind, input: &RecordBatch) -> Result<Difference, ArrowError> {
        let (ordinal, live, candidate) = match kind {
            Kind::Column(column) => {
                let (live, candidate) = (&self.live.passed, &self.candidate.passed);
                self.show_rows(self.comparer.columns(), live, candidate, column)?
            }
            Kind::OutputColumn(output, column) => {
                let output = self.comparer.outputs().iter().find(|other| other.name == *output);
                let output = output.expect("a difference is of an output that is compared");
                let (live, candidate) = (output.of_live(self.live), output.of_candidate(self.candidate));
                self.show_rows(output.columns(), live, candidate, column)?
            }
            _ => {
                let live = self.show_message(self.live, ComparedOutput::of_live);
                (0, live, self.show_message(self.candidate, ComparedOutput::of_candidate))
            }
        };
        Ok(Difference {
            message: message(input, self.offset),
            ordinal,
            kind: kind.to_string(),
            live,
            candidate,
        })
    }

    /// The first rows of the message whose `column` differs, and their number.
    fn show_rows(
        &self,
        columns: &Columns,
        live: &RecordBatch,
        candidate: &RecordBatch,
        column: &str,
    ) -> Result<(u32, Option<Value>, Option<Value>), ArrowError> {
        let shared = columns.shared().iter().find(|shared| *shared.name == *column);
        let shared = shared.expect("a difference is of a column that is compared");
        let rows = rows_of(live, self.offset).zip(rows_of(candidate, self.offset));
        for (ordinal, (left, right)) in (0..).zip(rows) {
            let before = live.column(shared.live).slice(left, 1);
            if differing(&before, &candidate.column(shared.candidate).slice(right, 1))?.is_some() {
                let show = |rows, row| Some(show_row(rows, row, column));
                return Ok((ordinal, show(live, left), show(candidate, right)));
            }
        }
        Ok((0, None, None))
    }

    /// All that a version made of the message; none if nothing.
    fn show_message<'a>(
        &'a self,
        output: &'a StepOutput,
        of_output: impl Fn(&'a ComparedOutput, &'a StepOutput) -> &'a RecordBatch,
    ) -> Option<Value> {
        let mut made = Map::new();
        let rows = |rows: &RecordBatch| -> Vec<Value> {
            rows_of(rows, self.offset).take(ROWS_MAX).map(|row| show_row(rows, row, "")).collect()
        };
        let mut add = |name: &str, values: Vec<Value>| {
            if !values.is_empty() {
                made.insert(name.to_owned(), values.into());
            }
        };
        add("passed", rows(&output.passed));
        let rejected = output.rejected.iter().filter(|row| row.offset == self.offset).take(ROWS_MAX);
        let show = |row: &millstream_engine::RejectedRow| json!({ "cause": row.cause.to_string(), "reason": cut(&row.reason) });
        add("rejected", rejected.map(show).collect());
        let mut emitted = Map::new();
        for compared in self.comparer.outputs() {
            let rows = rows(of_output(compared, output));
            if !rows.is_empty() {
                emitted.insert(compared.name.to_string(), rows.into());
            }
        }
        if !emitted.is_empty() {
            made.insert("emitted".to_owned(), emitted.into());
        }
        let dropped = output.dropped.iter().filter(|offset| **offset == self.offset).count();
        if dropped > 0 {
            made.insert("dropped".to_owned(), dropped.into());
        }
        (!made.is_empty()).then(|| made.into())
    }
}

fn rows_of(rows: &RecordBatch, offset: Offset) -> impl Iterator<Item = usize> {
    offsets(rows).iter().enumerate().filter(move |(_, other)| **other == offset).map(|(row, _)| row)
}

/// A row without the columns that Millstream itself adds, beginning with column `first`.
fn show_row(rows: &RecordBatch, row: usize, first: &str) -> Value {
    let mut shown_row = Map::new();
    let mut bytes = 0;
    let fields = rows.schema_ref().fields().iter().zip(rows.columns());
    let (ahead, rest): (Vec<_>, Vec<_>) = fields.partition(|(field, _)| field.name() == first);
    for (field, column) in ahead.into_iter().chain(rest) {
        if columns::is_system(field.name()) && field.name() != first {
            continue;
        }
        if bytes > ROW_BYTES_MAX {
            shown_row.insert("…".to_owned(), "more columns".into());
            break;
        }
        let value = shown(column, row);
        bytes += field.name().len() + value.as_str().map_or(8, str::len);
        shown_row.insert(field.name().clone(), value);
    }
    shown_row.into()
}

/// A message of the batch as people write it: `topic/partition@offset`.
fn message(input: &RecordBatch, offset: Offset) -> String {
    let topic = input.column_by_name(columns::TOPIC).and_then(|column| column.as_string_opt::<i32>());
    let partition = input.column_by_name(columns::PARTITION);
    let partition = partition.and_then(|column| column.as_primitive_opt::<Int32Type>());
    match (topic, partition) {
        (Some(topic), Some(partition)) if !topic.is_empty() && !partition.is_empty() => {
            format!("{}/{}@{offset}", topic.value(0), partition.value(0))
        }
        _ => format!("@{offset}"),
    }
}
