//! A step's instance on one thread. Every batch ends with each row accounted for: passed, dropped or rejected;
//! what happens when a call fails is decided in `bisect`.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;

use crate::allowance::Allowance;
use crate::apply::{Part, apply, concat, merge_routed};
use crate::bisect::{Bisection, Work};
use crate::circuit::CircuitOpened;
use crate::fault::Fault;
use crate::instance::{Failure, Running};
use crate::output::{Cause, Metrics, RejectedRow, StepOutput};
use crate::plan::StepPlan;
use crate::plugin::Step;

/// A step on one thread. Owns the plugin's instance, which is made when the first batch comes and thrown
/// away when a call fails.
pub struct StepInstance {
    step: Step,
    pub(crate) running: Option<Running>,
}

impl std::fmt::Debug for StepInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StepInstance").field("step", &self.step).finish_non_exhaustive()
    }
}

impl StepInstance {
    pub(crate) fn new(step: Step) -> Self {
        Self { step, running: None }
    }

    /// The step.
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// Gives a batch to the plugin. Never fails: rows that cannot be processed are rejected, and if the
    /// plugin cannot go on, all that it has not processed are.
    ///
    /// # Panics
    /// If the batch does not have the step's input schema.
    pub fn process(&mut self, batch: &RecordBatch) -> StepOutput {
        self.assert_input(batch);
        let mut bisection = Bisection::new(batch.num_rows(), batch.num_rows());
        let mut rows = Rows::new(self, batch);
        if let Err(opened) = bisection.run(&mut rows) {
            bisection.reject_rest(&mut rows, &opened);
        }
        rows.made.finish(bisection.opened)
    }

    /// As [`StepInstance::process`], but rows are rejected only for what they are: if the plugin cannot go
    /// on, nothing of the batch takes effect, and it can be given to another version of the step, or to
    /// this one once its circuit is closed.
    ///
    /// # Errors
    /// If the circuit of the step is open, or opens over this batch.
    ///
    /// # Panics
    /// If the batch does not have the step's input schema.
    pub fn recover(&mut self, batch: &RecordBatch) -> Result<StepOutput, CircuitOpened> {
        self.assert_input(batch);
        let mut bisection = Bisection::new(batch.num_rows(), batch.num_rows());
        let mut rows = Rows::new(self, batch);
        bisection.run(&mut rows)?;
        Ok(rows.made.finish(bisection.opened))
    }

    /// Makes the instance now rather than at the first batch.
    ///
    /// # Errors
    /// If the plugin does not start, or answers its configuration with another plan than before.
    pub fn warm(&mut self) -> Result<(), String> {
        if self.running.is_none() {
            self.running = Some(self.step.start(self.step.start_allowance())?);
        }
        Ok(())
    }

    /// Linear memory that the plugin's instance has, in bytes; 0 while there is none. It never shrinks, so this is
    /// the most that the instance needed.
    pub fn memory_bytes(&self) -> usize {
        self.running.as_ref().map_or(0, Running::memory_bytes)
    }

    /// How often the last call called the host; 0 while there is no instance.
    pub fn host_calls(&self) -> u64 {
        self.running.as_ref().map_or(0, Running::host_calls)
    }

    /// Gives a batch to the plugin once, for at most `hold`; an instance that is not warm must be made in as
    /// much first. An error has no effect and blames nobody: the batch can be given to
    /// [`StepInstance::recover`] of any instance of the step, where waiting for it holds up nobody else.
    ///
    /// # Panics
    /// If the batch does not have the step's input schema.
    pub fn attempt(&mut self, batch: &RecordBatch, hold: Duration) -> Result<StepOutput, Trouble> {
        self.assert_input(batch);
        if let Some(reason) = self.step.circuit() {
            return Err(Trouble { cause: Cause::CircuitOpen, reason: reason.to_string() });
        }
        if self.running.is_none() {
            let started = self.step.start(Allowance::Wall(hold));
            self.running = Some(started.map_err(|reason| self.trouble(Failure::Fatal(reason)))?);
        }
        let allowance = Allowance::Wall(hold.min(self.step.limits().deadline));
        let (part, metrics) = self.call(batch, allowance).map_err(|failure| self.trouble(failure))?;
        Ok(self.whole(part, metrics))
    }

    /// What a step made of a batch in one call.
    pub(crate) fn whole(&self, part: Part, metrics: Metrics) -> StepOutput {
        let mut made = Made::new(self.step.checked_plan());
        made.accept(part, metrics);
        made.finish(None)
    }

    pub(crate) fn assert_input(&self, batch: &RecordBatch) {
        let input = self.step.checked_plan().input.fields();
        assert!(
            batch.schema_ref().fields() == input,
            "a batch must have the schema the step was configured for"
        );
    }

    fn trouble(&self, failure: Failure) -> Trouble {
        let (cause, reason) = match failure {
            Failure::Retry(reason) => (Cause::BadBatch, reason),
            Failure::Fatal(reason) => (Cause::CircuitOpen, reason),
            Failure::Starved(reason) => (Cause::Deadline, reason),
            Failure::Guilty(fault) => (fault.cause, fault.reason(self.step.plugin().name(), None)),
        };
        Trouble { cause, reason }
    }

    fn call(&mut self, batch: &RecordBatch, allowance: Allowance) -> Result<(Part, Metrics), Failure> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.step.start(self.step.start_allowance()).map_err(Failure::Fatal)?,
        };
        let plan = self.step.checked_plan();
        let staged = match running.process(&self.step.engine().shared, plan, (0, batch), allowance) {
            Ok(staged) => staged,
            Err(failure) => {
                // A plugin that asks for another try is as whole as before.
                self.running = matches!(failure, Failure::Retry(_)).then_some(running);
                return Err(failure);
            }
        };
        let metrics = running.metrics(&staged);
        let part =
            apply(plan, batch, staged).map_err(|what| Failure::Guilty(Fault::stated(Cause::Trap, what)))?;
        self.running = Some(running);
        Ok((part, metrics))
    }
}

/// Why an attempt came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind of failure it was.
    pub cause: Cause,
    /// What the plugin did.
    pub reason: String,
}

/// A batch on its way through a step.
struct Rows<'a> {
    instance: &'a mut StepInstance,
    batch: &'a RecordBatch,
    made: Made,
}

impl<'a> Rows<'a> {
    fn new(instance: &'a mut StepInstance, batch: &'a RecordBatch) -> Self {
        let made = Made::new(instance.step.checked_plan());
        Self { instance, batch, made }
    }
}

impl Work for Rows<'_> {
    fn step(&self) -> &Step {
        &self.instance.step
    }

    fn call(&mut self, part: &Range<usize>, allowance: Allowance) -> Result<(), Failure> {
        let rows = self.batch.slice(part.start, part.len());
        let (part, metrics) = self.instance.call(&rows, allowance)?;
        self.made.accept(part, metrics);
        Ok(())
    }

    fn blame(&mut self, part: Range<usize>, cause: Cause, reason: &str) {
        self.made.reject(self.batch, part, cause, reason);
    }
}

/// What calls made of the parts of a batch, put together in its order.
pub(crate) struct Made {
    plan: Arc<StepPlan>,
    parts: Vec<RecordBatch>,
    routed: Vec<Vec<RecordBatch>>,
    rejected: Vec<RejectedRow>,
    dropped: Vec<i64>,
    metrics: Metrics,
}

impl Made {
    pub(crate) fn new(plan: &Arc<StepPlan>) -> Self {
        Self {
            plan: Arc::clone(plan),
            parts: Vec::new(),
            routed: vec![Vec::new(); plan.routed.len()],
            rejected: Vec::new(),
            dropped: Vec::new(),
            metrics: Metrics::default(),
        }
    }

    pub(crate) fn accept(&mut self, part: Part, metrics: Metrics) {
        self.parts.push(part.passed);
        self.rejected.extend(part.rejected);
        self.dropped.extend(part.dropped);
        for (number, rows) in part.emitted {
            self.routed[number].push(rows);
        }
        self.metrics.merge(metrics);
    }

    pub(crate) fn reject(&mut self, batch: &RecordBatch, range: Range<usize>, cause: Cause, reason: &str) {
        let offsets = batch.column(self.plan.offset_column).as_primitive::<Int64Type>();
        let reason: Arc<str> = Arc::from(reason);
        let row = |row| RejectedRow { offset: offsets.value(row), reason: Arc::clone(&reason), cause };
        self.rejected.extend(range.map(row));
    }

    pub(crate) fn finish(self, circuit: Option<Arc<str>>) -> StepOutput {
        StepOutput {
            passed: concat(&self.plan.output, &self.parts),
            rejected: self.rejected,
            dropped: self.dropped,
            emitted: merge_routed(&self.plan, self.routed),
            metrics: self.metrics,
            circuit,
        }
    }
}
