//! A step's instance on one thread, and what happens when a call fails: another try, bisection down to
//! the guilty rows, or the step's circuit. Every batch ends with each row accounted for.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;

use crate::allowance::{Allowance, Stopwatch};
use crate::apply::{Part, apply, concat, merge_routed};
use crate::circuit::CircuitOpened;
use crate::fault::Fault;
use crate::instance::{Failure, Running};
use crate::limits::time;
use crate::output::{Cause, Metrics, RejectedRow, StepOutput};
use crate::plugin::Step;

/// How often a call of one batch is begun again that the machine did not let finish.
const STARVED_TRIES: u32 = 3;
/// Wait before the first further try; doubled for each next one.
const FIRST_BACKOFF: Duration = Duration::from_millis(10);

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
        let mut recovery = Recovery::new(self, batch);
        if let Err(opened) = recovery.run() {
            recovery.reject_rest(&opened);
        }
        recovery.finish()
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
        let mut recovery = Recovery::new(self, batch);
        recovery.run()?;
        Ok(recovery.finish())
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
        Ok(self.whole(batch, part, metrics))
    }

    /// What a step made of a batch in one call.
    pub(crate) fn whole(&mut self, batch: &RecordBatch, part: Part, metrics: Metrics) -> StepOutput {
        let mut recovery = Recovery::new(self, batch);
        recovery.accept(part, metrics);
        recovery.finish()
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
        let staged = match running.process(&self.step.engine().shared, plan, batch, allowance) {
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

/// The way of one batch through a step.
struct Recovery<'a> {
    instance: &'a mut StepInstance,
    batch: &'a RecordBatch,
    /// What is not processed yet; the first rows last.
    pending: Vec<Range<usize>>,
    parts: Vec<RecordBatch>,
    routed: Vec<Vec<RecordBatch>>,
    rejected: Vec<RejectedRow>,
    dropped: Vec<i64>,
    metrics: Metrics,
    retries: u32,
    overruns: u32,
    starved: u32,
    first_failure: Option<Stopwatch>,
    opened: Option<Arc<str>>,
}

/// What to do about rows that failed together.
enum Verdict {
    Again,
    Split,
    Blame(Cause, String),
    Open(String),
}

impl<'a> Recovery<'a> {
    fn new(instance: &'a mut StepInstance, batch: &'a RecordBatch) -> Self {
        let routed = vec![Vec::new(); instance.step.outputs().len()];
        Self {
            instance,
            batch,
            pending: Vec::new(),
            parts: Vec::new(),
            routed,
            rejected: Vec::new(),
            dropped: Vec::new(),
            metrics: Metrics::default(),
            retries: 0,
            overruns: 0,
            starved: 0,
            first_failure: None,
            opened: None,
        }
    }

    /// Works through the batch from its first row to its last, so that everything comes out in order. Stops
    /// where the circuit is open.
    fn run(&mut self) -> Result<(), CircuitOpened> {
        if self.batch.num_rows() > 0 {
            self.pending.push(0..self.batch.num_rows());
        }
        while let Some(range) = self.pending.pop() {
            if let Some(reason) = self.instance.step.circuit() {
                self.pending.push(range);
                return Err(CircuitOpened { reason });
            }
            let deadline = self.instance.step.limits().deadline;
            let Err(failure) = self.attempt(&range, deadline) else { continue };
            match self.judge(failure, &range) {
                Some(Verdict::Again) => self.pending.push(range),
                Some(Verdict::Split) => {
                    let middle = range.start + range.len() / 2;
                    self.pending.push(middle..range.end);
                    self.pending.push(range.start..middle);
                }
                Some(Verdict::Blame(cause, reason)) => self.reject(range, cause, &reason),
                Some(Verdict::Open(reason)) => {
                    self.pending.push(range);
                    self.open(reason);
                }
                None => {}
            }
        }
        Ok(())
    }

    fn open(&mut self, reason: String) {
        let reason: Arc<str> = Arc::from(reason);
        if self.instance.step.open_circuit(&reason) {
            self.opened = Some(reason);
        }
    }

    /// Rejects what is not processed yet.
    fn reject_rest(&mut self, opened: &CircuitOpened) {
        let reason = format!("circuit of step `{}` is open: {opened}", self.instance.step.plugin().name());
        while let Some(range) = self.pending.pop() {
            self.reject(range, Cause::CircuitOpen, &reason);
        }
    }

    /// One call, tried again while the plugin asks for it and the batch has tries left.
    fn attempt(&mut self, range: &Range<usize>, deadline: Duration) -> Result<(), Failure> {
        let rows = match range.len() == self.batch.num_rows() {
            true => self.batch.clone(),
            false => self.batch.slice(range.start, range.len()),
        };
        loop {
            match self.instance.call(&rows, Allowance::Cpu(deadline)) {
                Ok((part, metrics)) => {
                    self.accept(part, metrics);
                    return Ok(());
                }
                Err(Failure::Retry(_)) if self.retries < self.instance.step.limits().retries => {
                    std::thread::sleep(FIRST_BACKOFF * 2u32.saturating_pow(self.retries.min(8)));
                    self.retries += 1;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Decides; a lone row that overran its deadline gets its second chance here, and none is returned
    /// if it took it.
    fn judge(&mut self, failure: Failure, range: &Range<usize>) -> Option<Verdict> {
        let fault = match self.fault(failure) {
            Ok(fault) => fault,
            Err(verdict) => return Some(verdict),
        };
        if let Some(exhausted) = self.exhausted(fault.cause) {
            let reason = fault.reason(self.instance.step.plugin().name(), Some(self.instance.step.symbols()));
            return Some(Verdict::Open(format!("{exhausted}, the last because {reason}")));
        }
        if range.len() > 1 {
            return Some(Verdict::Split);
        }
        if fault.cause != Cause::Deadline {
            return Some(self.blame(&fault));
        }
        let longer = self.instance.step.limits().lone_row_deadline();
        match self.attempt(range, longer).map_err(|failure| self.fault(failure)) {
            Ok(()) => None,
            Err(Ok(fault)) => Some(self.blame(&fault)),
            Err(Err(verdict)) => Some(verdict),
        }
    }

    /// What a failure holds against the rows in hand, or what else to do.
    fn fault(&mut self, failure: Failure) -> Result<Fault, Verdict> {
        match failure {
            Failure::Guilty(fault) => Ok(fault),
            Failure::Retry(reason) => Ok(Fault::stated(Cause::BadBatch, reason)),
            Failure::Fatal(reason) => Err(Verdict::Open(reason)),
            Failure::Starved(_) if self.starved < STARVED_TRIES => {
                self.starved += 1;
                Err(Verdict::Again)
            }
            Failure::Starved(reason) => Err(Verdict::Open(reason)),
        }
    }

    fn blame(&self, fault: &Fault) -> Verdict {
        let step = &self.instance.step;
        Verdict::Blame(fault.cause, fault.reason(step.plugin().name(), Some(step.symbols())))
    }

    /// Counts a failure; says so when the batch has used up what may go into finding its guilty rows.
    fn exhausted(&mut self, cause: Cause) -> Option<String> {
        let limits = self.instance.step.limits();
        let first = *self.first_failure.get_or_insert_with(Stopwatch::start);
        self.overruns += u32::from(cause == Cause::Deadline);
        if self.overruns > limits.overruns_per_batch {
            return Some(format!("{} calls of one batch overran their deadline", self.overruns));
        }
        first
            .is_over(limits.recovery)
            .then(|| format!("calls of one batch failed for more than {}", time(limits.recovery)))
    }

    fn accept(&mut self, part: Part, metrics: Metrics) {
        self.parts.push(part.passed);
        self.rejected.extend(part.rejected);
        self.dropped.extend(part.dropped);
        for (number, rows) in part.emitted {
            self.routed[number].push(rows);
        }
        self.metrics.merge(metrics);
    }

    fn reject(&mut self, range: Range<usize>, cause: Cause, reason: &str) {
        let column = self.instance.step.checked_plan().offset_column;
        let offsets = self.batch.column(column).as_primitive::<Int64Type>();
        let reason: Arc<str> = Arc::from(reason);
        let row = |row| RejectedRow { offset: offsets.value(row), reason: Arc::clone(&reason), cause };
        self.rejected.extend(range.map(row));
    }

    fn finish(self) -> StepOutput {
        let plan = self.instance.step.checked_plan();
        StepOutput {
            passed: concat(&plan.output, &self.parts),
            rejected: self.rejected,
            dropped: self.dropped,
            emitted: merge_routed(plan, self.routed),
            metrics: self.metrics,
            circuit: self.opened,
        }
    }
}
