//! An instance of a keyed step on one thread. A batch, or a move of the watermark, is a unit: what its calls
//! change is collected, seen by the calls that follow, and committed to the task's state when all of it is through.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::output::{DeadTimer, FireOutput, FiredOrigin, FiredRows};
use super::{KeyedStep, StoreSpec};
use crate::allowance::Allowance;
use crate::apply::{apply, by_parent, concat};
use crate::bisect::{Bisection, Work};
use crate::calls::{Emitted, Staged, Task};
use crate::circuit::CircuitOpened;
use crate::fault::Fault;
use crate::instance::{Failure, Running};
use crate::output::{Cause, Metrics, StepOutput};
use crate::plan::StepPlan;
use crate::plugin::Step;
use crate::recovery::Made;
use crate::state::{Changes, StateError, TaskState, Timer};

/// Timers that one call fires at most.
const TIMERS_PER_CALL: usize = 8192;

/// A keyed step on one thread. Owns the plugin's instance, which is made when the first call comes and thrown
/// away when a call fails; state is not its own, but comes with each call.
pub struct KeyedInstance {
    pub(super) step: KeyedStep,
    pub(super) running: Option<Running>,
    timers_per_call: usize,
}

impl std::fmt::Debug for KeyedInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyedInstance").field("step", &self.step).finish_non_exhaustive()
    }
}

impl KeyedInstance {
    pub(super) fn new(step: KeyedStep) -> Self {
        Self { step, running: None, timers_per_call: TIMERS_PER_CALL }
    }

    /// The step.
    pub fn step(&self) -> &KeyedStep {
        &self.step
    }

    /// Throws the plugin's instance away, as a host may between any two calls; the next call makes a new one.
    pub fn discard(&mut self) {
        self.running = None;
    }

    /// Gives calls at most so many timers, 8192 by default: how the host cuts them must make no difference.
    pub fn limit_timers(&mut self, per_call: usize) {
        self.timers_per_call = per_call.max(1);
    }

    /// Linear memory that the plugin's instance has, in bytes; 0 while there is none.
    pub fn memory_bytes(&self) -> usize {
        self.running.as_ref().map_or(0, Running::memory_bytes)
    }

    /// How often the last call called the host; 0 while there is no instance.
    pub fn host_calls(&self) -> u64 {
        self.running.as_ref().map_or(0, Running::host_calls)
    }

    /// Gives a batch of one input to the plugin. Rows that cannot be processed are rejected, each for what it
    /// is; what the others change of the task's state is committed with the last of them.
    ///
    /// # Errors
    /// If the circuit of the step is open or opens over this batch, also because state cannot be read or kept:
    /// then nothing of the batch takes effect.
    ///
    /// # Panics
    /// If there is no such input, or the batch does not have its schema.
    pub fn process(
        &mut self,
        state: &Arc<dyn TaskState>,
        input: usize,
        batch: &RecordBatch,
    ) -> Result<StepOutput, CircuitOpened> {
        let plan = Arc::clone(&self.step.plan.inputs[input]);
        assert!(
            batch.schema_ref().fields() == plan.input.fields(),
            "a batch must have the schema that its input was configured for"
        );
        let task = self.task(state, state.watermark(), None);
        let made = Made::new(&plan);
        let mut rows = Rows { keyed: Keyed { instance: self, task: Some(task) }, plan, input, batch, made };
        let mut bisection = Bisection::new(batch.num_rows(), batch.num_rows());
        bisection.run(&mut rows)?;
        let Rows { keyed, made, .. } = rows;
        keyed.commit(None)?;
        Ok(made.finish(bisection.opened))
    }

    /// Moves the watermark of the task and fires the timers that are due: by time, then by key, each once. A
    /// watermark that is not above the present one moves nothing. The largest number means that the inputs have
    /// ended.
    ///
    /// # Errors
    /// As [`KeyedInstance::process`]; the watermark has not moved then, and the timers are still set.
    pub fn advance(
        &mut self,
        state: &Arc<dyn TaskState>,
        watermark_us: i64,
    ) -> Result<FireOutput, CircuitOpened> {
        if state.watermark() >= Some(watermark_us) {
            return Ok(FireOutput::default());
        }
        let due = state.due(watermark_us).map_err(|error| open(&self.step.step, &error))?;
        let task = self.task(state, Some(watermark_us), Some(watermark_us));
        let length = due.len();
        let mut bisection = Bisection::new(length, self.timers_per_call);
        let keyed = Keyed { instance: self, task: Some(task) };
        let mut timers = Timers { keyed, due, emitted: BTreeMap::new(), output: FireOutput::default() };
        bisection.run(&mut timers)?;
        let Timers { keyed, emitted, mut output, .. } = timers;
        let plan = Arc::clone(&keyed.instance.step.plan.inputs[0]);
        keyed.commit(Some(watermark_us))?;
        output.emitted = emitted.into_iter().map(|(number, fired)| fired.finish(&plan, number)).collect();
        Ok(output)
    }

    fn task(&self, state: &Arc<dyn TaskState>, watermark: Option<i64>, moving_to: Option<i64>) -> Task {
        let stores: Arc<[StoreSpec]> = Arc::clone(&self.step.plan.stores);
        Task { state: Arc::clone(state), stores, watermark, moving_to, earlier: Changes::default() }
    }
}

/// State failed, and the step cannot go on without it.
fn open(step: &Step, error: &StateError) -> CircuitOpened {
    let reason: Arc<str> = Arc::from(error.to_string());
    step.open_circuit(&reason);
    CircuitOpened { reason: step.circuit().unwrap_or(reason) }
}

/// An instance at work for a task.
struct Keyed<'a> {
    instance: &'a mut KeyedInstance,
    /// None while a call has it.
    task: Option<Task>,
}

impl Keyed<'_> {
    fn step(&self) -> &Step {
        &self.instance.step.step
    }

    /// One call. What it staged, if it succeeded, is turned into what it made; only if that works, too, the next
    /// call sees its changes.
    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut Running, &Step) -> Result<Staged, Failure>,
        made: impl FnOnce(Staged) -> Result<T, String>,
    ) -> Result<(T, Metrics), Failure> {
        let mut running = match self.instance.running.take() {
            Some(running) => running,
            None => self.step().start(self.step().start_allowance()).map_err(Failure::Fatal)?,
        };
        running.enter(self.task.take().expect("a call that had the task has left it"));
        let answer = call(&mut running, &self.instance.step.step);
        self.task = running.leave();
        let mut staged = match answer {
            Ok(staged) => staged,
            Err(failure) => {
                // A plugin that asks for another try is as whole as before.
                self.instance.running = matches!(failure, Failure::Retry(_)).then_some(running);
                return Err(failure);
            }
        };
        let metrics = running.metrics(&staged);
        let changes = std::mem::take(&mut staged.changes);
        let made = made(staged).map_err(|what| Failure::Guilty(Fault::stated(Cause::Trap, what)))?;
        if let Some(task) = &mut self.task {
            task.earlier.merge(changes);
        }
        self.instance.running = Some(running);
        Ok((made, metrics))
    }

    /// Makes what the calls changed true.
    fn commit(self, moved_to: Option<i64>) -> Result<(), CircuitOpened> {
        let Some(task) = self.task else { return Ok(()) };
        let changes = Changes { moved_to, ..task.earlier };
        if changes == Changes::default() {
            return Ok(());
        }
        task.state.commit(changes).map_err(|error| open(&self.instance.step.step, &error))
    }
}

/// A batch on its way through the step.
struct Rows<'a> {
    keyed: Keyed<'a>,
    plan: Arc<StepPlan>,
    input: usize,
    batch: &'a RecordBatch,
    made: Made,
}

impl Work for Rows<'_> {
    fn step(&self) -> &Step {
        self.keyed.step()
    }

    fn call(&mut self, part: &Range<usize>, allowance: Allowance) -> Result<(), Failure> {
        let rows = self.batch.slice(part.start, part.len());
        let (plan, input) = (&self.plan, self.input as u32);
        let process = |running: &mut Running, step: &Step| {
            running.process(&step.engine().shared, plan, (input, &rows), allowance)
        };
        let (part, metrics) = self.keyed.call(process, |staged| apply(plan, &rows, staged))?;
        self.made.accept(part, metrics);
        Ok(())
    }

    fn blame(&mut self, part: Range<usize>, cause: Cause, reason: &str) {
        self.made.reject(self.batch, part, cause, reason);
    }
}

/// Timers of one move on their way through the step.
struct Timers<'a> {
    keyed: Keyed<'a>,
    due: Vec<Timer>,
    emitted: BTreeMap<usize, Fired>,
    output: FireOutput,
}

/// Rows of one output so far.
#[derive(Default)]
struct Fired {
    parts: Vec<RecordBatch>,
    origins: Vec<FiredOrigin>,
}

impl Work for Timers<'_> {
    fn step(&self) -> &Step {
        self.keyed.step()
    }

    fn call(&mut self, part: &Range<usize>, allowance: Allowance) -> Result<(), Failure> {
        let plan = Arc::clone(&self.keyed.instance.step.plan.inputs[0]);
        let timers = &self.due[part.clone()];
        let fire = |running: &mut Running, step: &Step| {
            running.fire(&step.engine().shared, &plan, timers, allowance)
        };
        let (emitted, metrics) = self.keyed.call(fire, |staged| Ok(staged.emitted))?;
        self.output.metrics.merge(metrics);
        for (number, rows) in by_output(emitted) {
            let (rows, parents) = by_parent(&plan.emits[number].fired, &rows);
            let fired = self.emitted.entry(number).or_default();
            fired.parts.push(rows);
            fired.origins.extend(origins(timers, &parents));
        }
        Ok(())
    }

    fn blame(&mut self, part: Range<usize>, cause: Cause, reason: &str) {
        let reason: Arc<str> = Arc::from(reason);
        let dead = |timer: &Timer| DeadTimer { timer: timer.clone(), reason: Arc::clone(&reason), cause };
        self.output.dead.extend(self.due[part].iter().map(dead));
    }
}

fn by_output(emitted: Vec<Emitted>) -> BTreeMap<usize, Vec<Emitted>> {
    let mut outputs: BTreeMap<usize, Vec<Emitted>> = BTreeMap::new();
    for rows in emitted.into_iter().filter(|emitted| emitted.rows.num_rows() > 0) {
        outputs.entry(rows.output).or_default().push(rows);
    }
    outputs
}

/// Where rows with these parents, which are in order, come from.
fn origins(timers: &[Timer], parents: &[u32]) -> Vec<FiredOrigin> {
    let siblings = parents.chunk_by(|left, right| left == right);
    let one = |rows: &[u32]| {
        let timer = timers[rows[0] as usize].clone();
        (0..rows.len() as u32).map(move |ordinal| FiredOrigin { timer: timer.clone(), ordinal })
    };
    siblings.flat_map(one).collect()
}

impl Fired {
    fn finish(self, plan: &StepPlan, output: usize) -> FiredRows {
        let rows = concat(&plan.emits[output].fired, &self.parts);
        FiredRows { output, rows, origins: self.origins }
    }
}
