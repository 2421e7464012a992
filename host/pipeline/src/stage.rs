//! Runs a stream's steps over decoded batches. Rows enter as the decoder made them and leave as rows
//! of tables and as dead letters; nothing here knows where they came from or go. One `Stage` belongs
//! to one CPU thread and serves all its tasks of the stream, since instances hold no state.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::error::ArrowError;
use millstream_engine::{Metrics, RejectedRow, StepInstance};
use millstream_model::{Digest, Offset, columns};

use crate::plan::{PlannedStep, StreamPlan};
use crate::sink::TableSpec;
use crate::tap::Place;
use crate::telemetry::{StepFigures, StreamFigures};

/// The steps of one stream on one thread.
pub struct Stage {
    plan: Arc<StreamPlan>,
    instances: Vec<StepInstance>,
    figures: Arc<StreamFigures>,
    /// Figures of the steps.
    steps: Vec<Arc<StepFigures>>,
    /// What the plugins reported and is not published yet, by step.
    reported: Vec<Metrics>,
}

/// What the steps made of a batch.
#[derive(Debug)]
pub struct Staged {
    /// Rows that passed all steps.
    pub passed: RecordBatch,
    /// Rows of tables: those that passed, where they go, and those that steps made for other outputs.
    pub tables: Vec<(Arc<TableSpec>, RecordBatch)>,
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
    /// The steps of `plan` for one thread, whichever it will be; `figures` are of the same stream.
    pub fn new(plan: Arc<StreamPlan>, figures: Arc<StreamFigures>) -> Self {
        let instances = plan.steps.iter().map(|step| step.step.instance()).collect();
        let reported = vec![Metrics::default(); plan.steps.len()];
        let steps = figures.of_plan(&plan);
        Self { plan, instances, figures, steps, reported }
    }

    /// The plan whose steps these are.
    pub fn plan(&self) -> &Arc<StreamPlan> {
        &self.plan
    }

    /// Makes the instances now rather than at the first batch.
    ///
    /// # Errors
    /// If a plugin does not start, or answers its configuration with another plan than before.
    pub fn warm(&mut self) -> Result<(), String> {
        self.instances.iter_mut().try_for_each(StepInstance::warm)
    }

    /// The stage takes its place on a thread: its steps are those that run.
    pub(crate) fn enter(&self) {
        self.figures.enter(&self.plan, &self.steps);
    }

    /// Publishes what plugins reported, as far as nobody has their figures in hand.
    pub fn publish(&mut self) {
        for (step, reported) in self.steps.iter().zip(&mut self.reported) {
            step.publish(reported);
        }
    }

    /// Passes `rows` through all steps and to the tables; `late` are the offsets of late messages, rising. A
    /// failure of a plugin is in the result; an error comes from a predicate only.
    pub fn run(&mut self, rows: RecordBatch, late: &[Offset]) -> Result<Staged, ArrowError> {
        let mut staged =
            Staged { passed: rows, tables: Vec::new(), rejected: Vec::new(), dropped: Vec::new() };
        for (index, (step, instance)) in self.plan.steps.iter().zip(&mut self.instances).enumerate() {
            if staged.passed.num_rows() == 0 {
                break;
            }
            // What the plugin logs is logged within this span.
            let span = tracing::error_span!("step", stream = &*self.plan.name, step = &*step.name);
            let began = Instant::now();
            let output = span.in_scope(|| instance.process(&staged.passed));
            self.steps[index].add_batch(staged.passed.num_rows(), &output, began.elapsed());
            if let Some(reason) = &output.circuit {
                let plugin = step.step.plugin().digest().short();
                span.in_scope(|| {
                    tracing::error!(plugin, %reason, "the circuit of a step opened: its rows go to the dead letters until it is replaced");
                });
            }
            staged.dropped.extend(output.dropped.iter().map(|offset| (*offset, index)));
            staged.rejected.extend(output.rejected.into_iter().map(|row| reject(step, row)));
            for (output, rows) in output.emitted {
                let table = step.outputs[output].clone();
                let rows = project(&rows, &table.schema);
                staged.tables.push((table, rows));
            }
            self.reported[index].merge(output.metrics);
            self.steps[index].publish(&mut self.reported[index]);
            staged.passed = output.passed;
            self.figures.taps.offer(Place::Behind(index + 1), &staged.passed);
        }
        if let Some(routing) = self.plan.routing.as_ref().filter(|_| staged.passed.num_rows() > 0) {
            staged.tables.extend(routing.distribute(&staged.passed, late)?);
        }
        Ok(staged)
    }
}

fn reject(step: &PlannedStep, row: RejectedRow) -> Rejected {
    Rejected { step: step.name.clone(), plugin: step.step.plugin().digest(), row }
}

/// The columns of `schema` out of `rows`; `_ordinal` numbers the rows of one offset, from 0. In the stream
/// these stand next to each other, in another output they may lie anywhere.
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
    Int32Array::from(numbered(offsets))
}

fn numbered(offsets: &[Offset]) -> Vec<i32> {
    let mut ordinals = vec![0; offsets.len()];
    if offsets.is_sorted() {
        for row in 1..offsets.len() {
            if offsets[row] == offsets[row - 1] {
                ordinals[row] = ordinals[row - 1] + 1;
            }
        }
        return ordinals;
    }
    let mut next: HashMap<Offset, i32> = HashMap::new();
    for (ordinal, offset) in ordinals.iter_mut().zip(offsets) {
        let next = next.entry(*offset).or_default();
        *ordinal = *next;
        *next += 1;
    }
    ordinals
}

/// Offsets of a batch's rows.
pub fn offsets(rows: &RecordBatch) -> &[Offset] {
    let column = rows.column_by_name(columns::OFFSET).expect("a batch carries its offsets");
    debug_assert_eq!(column.null_count(), 0);
    column.as_primitive::<Int64Type>().values()
}

#[cfg(test)]
mod tests {
    use super::numbered;

    /// A plugin may emit rows for another output in any order; two rows once had the same number.
    #[test]
    fn rows_of_one_offset_are_numbered_wherever_they_lie() {
        assert_eq!(numbered(&[]), [] as [i32; 0]);
        assert_eq!(numbered(&[3, 3, 4, 7, 7, 7]), [0, 1, 0, 0, 1, 2]);
        assert_eq!(numbered(&[3, 4, 3, 4, 3]), [0, 0, 1, 1, 2]);
    }
}
