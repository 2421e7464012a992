//! What left a task, in the proof's terms, from what the engine says of a batch or a move.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use millstream_engine::{Cause, FireOutput, StepOutput};
use millstream_model::columns;

use crate::row::Value;

/// A timer: its time first, for the order in which timers fire.
pub type Timer = (i64, Vec<u8>);

/// Where a row came from or what a dead letter was; the same under every cut.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A row of an input.
    Row {
        /// Index of the input.
        input: u32,
        /// Its offset there.
        offset: u64,
    },
    /// A timer.
    Timer {
        /// The watermark that fired it.
        watermark: i64,
        /// Its time and key.
        timer: Timer,
    },
}

/// A row that the plugin originated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// Index of the plan's output.
    pub output: u32,
    /// Its parent.
    pub origin: Origin,
    /// Its number among the rows of one parent and output.
    pub ordinal: u32,
    /// In the order of the output's fields.
    pub columns: Vec<Value>,
}

/// A row or timer that could not be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// What it was.
    pub origin: Origin,
    /// The plugin's reason, or `trapped`.
    pub reason: String,
}

/// All that left a task, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Input rows that passed, as (input, offset).
    pub kept: Vec<(u32, u64)>,
    /// Rows that the plugin originated.
    pub emitted: Vec<Emitted>,
    /// Rejected and failed ones.
    pub dead: Vec<DeadLetter>,
}

impl Outcome {
    pub(crate) fn add_rows(&mut self, input: u32, output: &StepOutput) {
        self.kept.extend(offsets(&output.passed).into_iter().map(|offset| (input, offset)));
        for rejected in &output.rejected {
            let origin = Origin::Row { input, offset: rejected.offset as u64 };
            self.dead.push(DeadLetter { origin, reason: reason(rejected.cause, &rejected.reason) });
        }
        for (number, rows) in &output.emitted {
            let offsets = offsets(rows);
            let ordinals =
                offsets.chunk_by(|left, right| left == right).flat_map(|siblings| 0..siblings.len() as u32);
            for (row, (ordinal, offset)) in ordinals.zip(&offsets).enumerate() {
                let origin = Origin::Row { input, offset: *offset };
                self.emitted.push(Emitted {
                    output: *number as u32,
                    origin,
                    ordinal,
                    columns: values(rows, row),
                });
            }
        }
    }

    pub(crate) fn add_move(&mut self, watermark: i64, output: FireOutput) {
        let origin = |timer: millstream_engine::Timer| {
            let timer = (timer.micros, timer.key);
            Origin::Timer { watermark, timer }
        };
        for fired in output.emitted {
            for (row, from) in fired.origins.into_iter().enumerate() {
                self.emitted.push(Emitted {
                    output: fired.output as u32,
                    origin: origin(from.timer),
                    ordinal: from.ordinal,
                    columns: values(&fired.rows, row),
                });
            }
        }
        for dead in output.dead {
            self.dead
                .push(DeadLetter { origin: origin(dead.timer), reason: reason(dead.cause, &dead.reason) });
        }
    }
}

/// The plugin's reason; where a trap shows, it says where, which is the engine's own tests' business.
fn reason(cause: Cause, reason: &str) -> String {
    if cause == Cause::Trap { "trapped".to_owned() } else { reason.to_owned() }
}

fn offsets(rows: &RecordBatch) -> Vec<u64> {
    let offsets = rows.column_by_name(columns::OFFSET).map(|column| column.as_primitive::<Int64Type>());
    offsets.map_or_else(Vec::new, |offsets| offsets.values().iter().map(|offset| *offset as u64).collect())
}

/// A row without its system columns.
fn values(rows: &RecordBatch, row: usize) -> Vec<Value> {
    let schema = rows.schema_ref();
    let columns = schema.fields().iter().zip(rows.columns());
    let own = columns.filter(|(field, _)| !columns::is_system(field.name()));
    own.map(|(_, column)| value(column, row)).collect()
}

fn value(column: &dyn Array, row: usize) -> Value {
    match column.data_type() {
        _ if column.is_null(row) => Value::Null,
        DataType::Utf8 => Value::Text(column.as_string::<i32>().value(row).to_owned()),
        DataType::Int64 => Value::Integer(column.as_primitive::<Int64Type>().value(row)),
        _ => Value::Integer(column.as_primitive::<TimestampMicrosecondType>().value(row)),
    }
}
