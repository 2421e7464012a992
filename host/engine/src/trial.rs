//! One call of a plugin, looked at closely: what it made of a batch, or why it failed and on which lines, and
//! what that cost. For tools that measure a plugin or run one record again; the data path goes by `recovery.rs`.

use std::time::Duration;

use arrow::array::RecordBatch;

use crate::allowance::{Allowance, Stopwatch};
use crate::apply::apply;
use crate::calls::Staged;
use crate::fault::Fault;
use crate::instance::Failure;
use crate::output::{Cause, StepOutput};
use crate::recovery::StepInstance;

/// One call, looked at closely.
#[derive(Debug)]
pub struct Trial {
    /// What the plugin made of the rows, or why it failed; then nothing of the batch took effect.
    pub outcome: Result<StepOutput, Failed>,
    /// What that cost.
    pub costs: Costs,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What kind of failure it was.
    pub cause: Cause,
    /// What the plugin did, and the line in its source, as a dead letter would say.
    pub reason: String,
    /// The calls that it was in, innermost first: `meter/src/lib.rs:42 (meter::row)`. Empty if it returned.
    pub stack: Vec<String>,
}

/// What a call cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// CPU time of the thread, the host's part of the call included.
    pub cpu: Duration,
    /// Time on the wall.
    pub wall: Duration,
    /// Calls of the plugin to the host.
    pub host_calls: u64,
    /// Bytes of columns, rows and reasons that the plugin made; 0 if it failed.
    pub output_bytes: usize,
    /// Linear memory of the instance afterwards, in bytes. It never shrinks, so this is also the most it had.
    pub memory_bytes: usize,
}

impl StepInstance {
    /// Gives a batch to the plugin once, with the CPU time that a row has that is tried alone. Finds no guilty
    /// rows, tries nothing again and opens no circuit.
    ///
    /// # Panics
    /// If the batch does not have the step's input schema.
    pub fn trial(&mut self, batch: &RecordBatch) -> Trial {
        self.assert_input(batch);
        let step = self.step().clone();
        let started = self.running.take().map_or_else(|| step.start(step.start_allowance()), Ok);
        let mut running = match started {
            Ok(running) => running,
            Err(reason) => {
                let failed = Failed { cause: Cause::CircuitOpen, reason, stack: Vec::new() };
                return Trial { outcome: Err(failed), costs: Costs::default() };
            }
        };
        let allowance = Allowance::Cpu(step.limits().lone_row_deadline());
        let watch = Stopwatch::start();
        let answer = running.process(&step.engine().shared, step.checked_plan(), (0, batch), allowance);
        let (cpu, wall) = watch.elapsed();
        let costs = Costs {
            cpu,
            wall,
            host_calls: running.host_calls(),
            output_bytes: answer.as_ref().map_or(0, Staged::bytes),
            memory_bytes: running.memory_bytes(),
        };
        let outcome = answer.and_then(|staged| {
            let metrics = running.metrics(&staged);
            let part = apply(step.checked_plan(), batch, staged)
                .map_err(|what| Failure::Guilty(Fault::stated(Cause::Trap, what)))?;
            self.running = Some(running);
            Ok(self.whole(part, metrics))
        });
        Trial { outcome: outcome.map_err(|failure| self.failed(failure)), costs }
    }

    fn failed(&self, failure: Failure) -> Failed {
        let (cause, reason, stack) = match failure {
            Failure::Retry(reason) => (Cause::BadBatch, reason, Vec::new()),
            Failure::Fatal(reason) => (Cause::CircuitOpen, reason, Vec::new()),
            Failure::Starved(reason) => (Cause::Deadline, reason, Vec::new()),
            Failure::Guilty(fault) => {
                let symbols = self.step().symbols();
                let reason = fault.reason(self.step().plugin().name(), Some(symbols));
                (fault.cause, reason, fault.stack(symbols))
            }
        };
        Failed { cause, reason, stack }
    }
}
