//! Instances of a plan's steps, and the way of a batch through them. A batch enters as rows of the decoder and
//! carries with it what the steps made of it, so that it can change threads between two steps; nothing of
//! that has an effect before it is through.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use millstream_engine::{Cause, StepInstance, StepOutput};
use millstream_model::Offset;

use crate::aside::{HOLD, is_blamed};
use crate::plan::{PlannedStep, StreamPlan};
use crate::stage::{Rejected, Staged, project};
use crate::tap::{Place, Taps};
use crate::telemetry::StepWork;

/// Instances of a plan's steps, on one thread.
pub(crate) struct Chain(Vec<StepInstance>);

/// A batch on its way through the steps of a plan.
pub(crate) struct Passage {
    pub(crate) staged: Staged,
    /// What the steps did that it has passed.
    pub(crate) works: Vec<StepWork>,
    /// What is shown to onlookers once it is through.
    pub(crate) shown: Vec<(Place, RecordBatch)>,
    /// Offsets of late messages, rising.
    late: Vec<Offset>,
}

/// The circuit of a step is open, and its batches wait.
#[derive(Clone, Debug)]
pub(crate) struct OpenCircuit {
    /// Index of the step.
    pub(crate) step: usize,
    /// Why it opened.
    pub(crate) reason: Arc<str>,
}

/// Why a batch does not come past a step.
enum Halt {
    /// Not on this thread.
    Aside,
    /// Not at all, for now.
    Open(Arc<str>),
}

/// How far a batch came on a thread that must not wait.
pub(crate) enum Reached {
    /// It is through.
    End,
    /// It must pass the step with this index on another thread.
    Aside(usize),
    /// A step takes no batches now.
    Open(OpenCircuit),
}

impl Passage {
    /// A batch in front of the first step.
    pub(crate) fn new(rows: RecordBatch, late: Vec<Offset>) -> Box<Self> {
        let staged = Staged { passed: rows, tables: Vec::new(), rejected: Vec::new(), dropped: Vec::new() };
        Box::new(Self { staged, works: Vec::new(), shown: Vec::new(), late })
    }

    /// Takes what a step made of the rows.
    fn take(
        &mut self,
        index: usize,
        step: &PlannedStep,
        output: StepOutput,
        mut work: StepWork,
        taps: &Taps,
    ) {
        let staged = &mut self.staged;
        staged.dropped.extend(output.dropped.iter().map(|offset| (*offset, index)));
        let (name, plugin) = (&step.name, step.step.plugin().digest());
        let reject = |row| Rejected { step: name.clone(), plugin, row };
        staged.rejected.extend(output.rejected.into_iter().map(reject));
        for (output, rows) in output.emitted {
            let table = step.outputs[output].clone();
            let rows = project(&rows, &table.schema);
            staged.tables.push((table, rows));
        }
        staged.passed = output.passed;
        work.metrics = output.metrics;
        self.works.push(work);
        if taps.has_onlookers() {
            self.shown.push((Place::Behind(index + 1), staged.passed.clone()));
        }
    }

    /// Sends the rows that passed all steps to their tables.
    fn route(&mut self, plan: &StreamPlan) -> Result<(), ArrowError> {
        let staged = &mut self.staged;
        if let Some(routing) = plan.routing.as_ref().filter(|_| staged.passed.num_rows() > 0) {
            staged.tables.extend(routing.distribute(&staged.passed, &self.late)?);
        }
        Ok(())
    }
}

impl Chain {
    /// Instances of the plan's steps, which cost nothing before the first batch.
    pub(crate) fn new(plan: &StreamPlan) -> Self {
        Self(plan.steps.iter().map(|step| step.step.instance()).collect())
    }

    /// Makes the instances now.
    pub(crate) fn warm(&mut self) -> Result<(), String> {
        self.0.iter_mut().try_for_each(StepInstance::warm)
    }

    /// Passes a batch through all steps, however long that takes. Rows that a step cannot process are rejected,
    /// and if it cannot go on, all that it has not processed.
    pub(crate) fn process(
        &mut self,
        plan: &StreamPlan,
        passage: &mut Passage,
        taps: &Taps,
    ) -> Result<(), ArrowError> {
        match self.pass(plan, passage, taps, |_, step, instance, rows| Ok(process(step, instance, rows))) {
            Ok(()) => passage.route(plan),
            Err(_) => unreachable!("a step that is given all the time it wants makes something of any batch"),
        }
    }

    /// Passes a batch through the steps as long as each takes it within [`HOLD`] and none fails, and not past
    /// the step with index `aside_from`.
    pub(crate) fn attempt(
        &mut self,
        plan: &StreamPlan,
        passage: &mut Passage,
        taps: &Taps,
        aside_from: Option<usize>,
    ) -> Result<Reached, ArrowError> {
        let call = |index, step: &PlannedStep, instance: &mut StepInstance, rows: &RecordBatch| {
            if aside_from == Some(index) { Err(Halt::Aside) } else { attempt(step, instance, rows) }
        };
        match self.pass(plan, passage, taps, call) {
            Ok(()) => passage.route(plan).map(|()| Reached::End),
            Err((step, Halt::Aside)) => Ok(Reached::Aside(step)),
            Err((step, Halt::Open(reason))) => Ok(Reached::Open(OpenCircuit { step, reason })),
        }
    }

    /// Passes a batch through the steps that it has not passed yet, however long that takes: guilty rows are
    /// found and rejected. Gives the step whose circuit is open, if one's is.
    pub(crate) fn recover(
        &mut self,
        plan: &StreamPlan,
        passage: &mut Passage,
        taps: &Taps,
    ) -> Result<Option<OpenCircuit>, ArrowError> {
        match self.pass(plan, passage, taps, |_, step, instance, rows| recover(step, instance, rows)) {
            Ok(()) => passage.route(plan).map(|()| None),
            Err((step, Halt::Open(reason))) => Ok(Some(OpenCircuit { step, reason })),
            Err((_, Halt::Aside)) => unreachable!("a batch that is aside goes no further aside"),
        }
    }

    /// Passes a batch through the steps that it has not passed yet; `call` gives one its rows. Gives the step
    /// where it stopped, and why.
    fn pass(
        &mut self,
        plan: &StreamPlan,
        passage: &mut Passage,
        taps: &Taps,
        call: impl Fn(usize, &PlannedStep, &mut StepInstance, &RecordBatch) -> Result<StepOutput, Halt>,
    ) -> Result<(), (usize, Halt)> {
        let first = passage.works.len();
        for (index, (step, instance)) in plan.steps.iter().zip(&mut self.0).enumerate().skip(first) {
            let rows = &passage.staged.passed;
            if rows.num_rows() == 0 {
                break;
            }
            // What the plugin logs is logged within this span.
            let span = tracing::error_span!("step", stream = &*plan.name, step = &*step.name);
            let began = Instant::now();
            let output = span.in_scope(|| call(index, step, instance, rows)).map_err(|halt| (index, halt))?;
            let work = StepWork::new(rows.num_rows(), &output, began.elapsed());
            passage.take(index, step, output, work, taps);
        }
        Ok(())
    }
}

/// Gives a step its rows for as long as it wants.
fn process(step: &PlannedStep, instance: &mut StepInstance, rows: &RecordBatch) -> StepOutput {
    let output = instance.process(rows);
    if let Some(reason) = &output.circuit {
        let plugin = step.step.plugin().digest().short();
        tracing::error!(plugin, %reason, "the circuit of a step opened: its rows go to the dead letters until it is replaced");
    }
    output
}

/// Gives a step its rows once, for at most [`HOLD`].
fn attempt(step: &PlannedStep, instance: &mut StepInstance, rows: &RecordBatch) -> Result<StepOutput, Halt> {
    match instance.attempt(rows, HOLD) {
        Ok(output) => within_budget(step, rows, output),
        Err(trouble) if trouble.cause != Cause::CircuitOpen => Err(Halt::Aside),
        // The plugin cannot go on, or could not before.
        Err(_) => match step.step.circuit() {
            Some(reason) if step.guard.holds() => Err(Halt::Open(reason)),
            Some(_) => Ok(process(step, instance, rows)),
            None => Err(Halt::Aside),
        },
    }
}

/// Gives a step its rows until they are processed or found guilty.
fn recover(step: &PlannedStep, instance: &mut StepInstance, rows: &RecordBatch) -> Result<StepOutput, Halt> {
    if !step.guard.holds() {
        return Ok(process(step, instance, rows));
    }
    let output = instance.recover(rows).map_err(|opened| Halt::Open(opened.reason))?;
    within_budget(step, rows, output)
}

/// The output, unless the step has failed too often with it: then its circuit opens.
fn within_budget(step: &PlannedStep, rows: &RecordBatch, output: StepOutput) -> Result<StepOutput, Halt> {
    let blamed = output.rejected.iter().filter(|row| is_blamed(row.cause)).count();
    match step.guard.count(rows.num_rows() as u64, blamed as u64) {
        None => Ok(output),
        Some(reason) => {
            let reason: Arc<str> = reason.into();
            step.step.open_circuit(&reason);
            Err(Halt::Open(reason))
        }
    }
}
