//! Runs a stream's steps over decoded batches. Rows enter as the decoder made them and leave as rows
//! of tables and as dead letters; nothing here knows where they came from or go. One `Stage` belongs
//! to one CPU thread and serves all its tasks of the stream, since instances hold no state.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};
use millstream_engine::{RejectedRow, StepInstance};
use millstream_model::{Digest, Offset, columns};

use crate::plan::{PlannedStep, StreamPlan};
use crate::sink::TableSpec;

/// The steps of one stream on one thread.
pub struct Stage {
    plan: Arc<StreamPlan>,
    instances: Vec<StepInstance>,
}

/// What the steps made of a batch.
#[derive(Debug)]
pub struct Staged {
    /// Rows of the curated table, if the stream has one.
    pub curated: Option<RecordBatch>,
    /// Rows of other tables.
    pub side: Vec<(Arc<TableSpec>, RecordBatch)>,
    /// Rows that a step rejected.
    pub rejected: Vec<Rejected>,
    /// Rows that a step dropped: offset and index of the step.
    pub dropped: Vec<(Offset, usize)>,
}

/// A row that a step rejected.
#[derive(Debug)]
pub struct Rejected {
    /// Name of the step.
    pub step: Arc<str>,
    /// Digest of its plugin.
    pub plugin: Digest,
    /// Offset, reason and cause.
    pub row: RejectedRow,
}

impl Stage {
    /// Makes the steps of `plan` ready on this thread.
    pub fn new(plan: Arc<StreamPlan>) -> Self {
        let instances = plan.steps.iter().map(|step| step.step.instance()).collect();
        Self { plan, instances }
    }

    /// Passes `rows` through all steps. A failure of a plugin is in the result, never an error.
    pub fn run(&mut self, mut rows: RecordBatch) -> Staged {
        let mut staged =
            Staged { curated: None, side: Vec::new(), rejected: Vec::new(), dropped: Vec::new() };
        for (index, (step, instance)) in self.plan.steps.iter().zip(&mut self.instances).enumerate() {
            if rows.num_rows() == 0 {
                break;
            }
            let output = instance.process(&rows);
            staged.dropped.extend(output.dropped.iter().map(|offset| (*offset, index)));
            staged.rejected.extend(output.rejected.into_iter().map(|row| reject(step, row)));
            for (output, rows) in output.emitted {
                let table = step.outputs[output].clone();
                let rows = project(&rows, &table.schema);
                staged.side.push((table, rows));
            }
            rows = output.passed;
        }
        if let Some(table) = self.plan.curated.as_ref().filter(|_| rows.num_rows() > 0) {
            staged.curated = Some(project(&rows, &table.schema));
        }
        staged
    }
}

fn reject(step: &PlannedStep, row: RejectedRow) -> Rejected {
    Rejected { step: step.name.clone(), plugin: step.step.plugin().digest(), row }
}

/// The columns of `schema` out of `rows`; `_ordinal` numbers the rows of one offset, from 0. Rows of one
/// offset stand next to each other: a step puts what it emits right behind its parent.
pub fn project(rows: &RecordBatch, schema: &SchemaRef) -> RecordBatch {
    let column = |name: &str| -> ArrayRef {
        if name == columns::ORDINAL {
            return Arc::new(ordinals(rows));
        }
        rows.column_by_name(name).expect("the plan made the table's schema from the rows' schema").clone()
    };
    let arrays = schema.fields().iter().map(|field| column(field.name())).collect();
    RecordBatch::try_new(schema.clone(), arrays)
        .expect("the plan made the table's schema from the rows' schema")
}

fn ordinals(rows: &RecordBatch) -> Int32Array {
    let offsets = rows.column_by_name(columns::OFFSET).expect("a batch carries its offsets");
    let offsets = offsets.as_primitive::<Int64Type>().values();
    let mut ordinals = vec![0; offsets.len()];
    for row in 1..offsets.len() {
        if offsets[row] == offsets[row - 1] {
            ordinals[row] = ordinals[row - 1] + 1;
        }
    }
    Int32Array::from(ordinals)
}

/// Offsets of a batch's rows.
pub fn offsets(rows: &RecordBatch) -> &[Offset] {
    let column = rows.column_by_name(columns::OFFSET).expect("a batch carries its offsets");
    debug_assert_eq!(column.null_count(), 0);
    column.as_primitive::<Int64Type>().values()
}
