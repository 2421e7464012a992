//! Runs a stream's steps over decoded batches. Rows enter as the decoder made them and leave as rows
//! of tables and as dead letters; nothing here knows where they came from or go. One `Stage` belongs
//! to one CPU thread and serves all its tasks of the stream, since instances hold no state. A batch that
//! a step does not take quickly leaves half way, and another thread goes on with it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::error::ArrowError;
use millstream_engine::{Metrics, RejectedRow};
use millstream_model::{Digest, Offset, columns};

use crate::aside::{Job, Probation, Reply};
use crate::chain::{Chain, OpenCircuit, Passage, Reached};
use crate::plan::{PlannedStep, StreamPlan};
use crate::sink::TableSpec;
use crate::telemetry::{StepFigures, StreamFigures};

/// The steps of one stream on one thread.
pub struct Stage {
    plan: Arc<StreamPlan>,
    chain: Chain,
    figures: Arc<StreamFigures>,
    /// Figures of the steps.
    steps: Vec<Arc<StepFigures>>,
    /// What the plugins reported and is not published yet, by step.
    reported: Vec<Metrics>,
    probation: Probation,
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

/// What became of a batch on a CPU thread.
pub(crate) enum Attempt {
    /// It is through all steps.
    Through(Staged),
    /// It must go on elsewhere.
    Aside(Box<Passage>),
    /// A step takes no batches now; it had no effect.
    Open(OpenCircuit),
}

impl Stage {
    /// The steps of `plan` for one thread, whichever it will be; `figures` are of the same stream.
    pub fn new(plan: Arc<StreamPlan>, figures: Arc<StreamFigures>) -> Self {
        let reported = vec![Metrics::default(); plan.steps.len()];
        let steps = figures.of_plan(&plan);
        let (chain, probation) = (Chain::new(&plan), Probation::default());
        Self { plan, chain, figures, steps, reported, probation }
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
        self.chain.warm()
    }

    /// The stage takes its place on a thread: its steps are those that run, and they are tried anew.
    pub(crate) fn enter(&self) {
        self.figures.enter(&self.plan, &self.steps);
        self.resume();
    }

    /// Closes the circuits that batches wait for.
    pub(crate) fn resume(&self) {
        let steps = self.plan.steps.iter().zip(&self.steps);
        for (step, figures) in steps.filter(|(step, _)| step.guard.holds()) {
            step.step.close_circuit();
            step.guard.renew();
            figures.resume();
        }
    }

    /// The circuit that batches wait for, if one is open.
    pub(crate) fn held(&self) -> Option<OpenCircuit> {
        let open = |(step, planned): (usize, &PlannedStep)| {
            let reason = planned.step.circuit().filter(|_| planned.guard.holds())?;
            Some(OpenCircuit { step, reason })
        };
        self.plan.steps.iter().enumerate().find_map(open)
    }

    /// Notes that batches wait for the step with this index; true for the first of all threads that does.
    pub(crate) fn hold(&self, step: usize) -> bool {
        self.steps[step].hold();
        self.plan.steps[step].guard.tells()
    }

    /// Publishes what plugins reported, as far as nobody has their figures in hand.
    pub fn publish(&mut self) {
        for (step, reported) in self.steps.iter().zip(&mut self.reported) {
            step.publish(reported);
        }
    }

    /// Passes `rows` through all steps and to the tables, however long that takes; `late` are the offsets of
    /// late messages, rising. A failure of a plugin is in the result; an error comes from a predicate only.
    pub fn run(&mut self, rows: RecordBatch, late: &[Offset]) -> Result<Staged, ArrowError> {
        let mut passage = Passage::new(rows, late.to_vec());
        self.chain.process(&self.plan, &mut passage, &self.figures)?;
        Ok(self.conclude(*passage))
    }

    /// Passes `rows` through the steps as long as each takes them quickly and none fails.
    pub(crate) fn attempt(&mut self, rows: RecordBatch, late: Vec<Offset>) -> Result<Attempt, ArrowError> {
        let mut passage = Passage::new(rows, late);
        let aside_from = self.aside_from();
        match self.chain.attempt(&self.plan, &mut passage, &self.figures, aside_from)? {
            Reached::End => Ok(Attempt::Through(self.conclude(*passage))),
            Reached::Open(open) => Ok(Attempt::Open(open)),
            Reached::Aside(step) => {
                if aside_from != Some(step) {
                    self.probation.begin(step);
                }
                self.steps[step].add_aside();
                Ok(Attempt::Aside(passage))
            }
        }
    }

    /// The step from which on batches pass elsewhere without a try here, if there is one: it had trouble lately,
    /// or waits for servers.
    fn aside_from(&self) -> Option<usize> {
        let waits = self.plan.steps.iter().position(|step| step.step.uses_http());
        self.probation.step().into_iter().chain(waits).min()
    }

    /// A batch as a job for another thread, which answers with `reply`.
    pub(crate) fn job(&self, passage: Box<Passage>, reply: Reply) -> Job {
        Job { plan: self.plan.clone(), passage, figures: self.figures.clone(), reply }
    }

    /// A batch is back that went aside and is through all steps; gives what they made.
    pub(crate) fn take_back(&mut self, passage: Passage) -> Staged {
        self.probation.note(&passage.works);
        self.conclude(passage)
    }

    /// Counts and shows what the steps did; gives what they made.
    fn conclude(&mut self, passage: Passage) -> Staged {
        let Passage { staged, works, shown, .. } = passage;
        for ((work, step), reported) in works.into_iter().zip(&self.steps).zip(&mut self.reported) {
            step.add_batch(&work);
            reported.merge(work.metrics);
            step.publish(reported);
        }
        shown.iter().for_each(|(place, rows)| self.figures.taps.offer(*place, rows));
        staged
    }
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
