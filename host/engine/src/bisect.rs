//! What happens when a call fails: another try, bisection down to what is guilty, or the step's circuit. The work,
//! rows or timers, is known only by its length; its parts come out in order, each done or blamed.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::allowance::{Allowance, Stopwatch};
use crate::circuit::CircuitOpened;
use crate::fault::Fault;
use crate::instance::Failure;
use crate::limits::time;
use crate::output::Cause;
use crate::plugin::Step;

/// How often a call of one batch is begun again that the machine did not let finish.
const STARVED_TRIES: u32 = 3;
/// Wait before the first further try; doubled for each next one.
const FIRST_BACKOFF: Duration = Duration::from_millis(10);

/// Work that can be given to a plugin in parts.
pub(crate) trait Work {
    /// The step that does it.
    fn step(&self) -> &Step;

    /// One call for a part; what it gave is kept if it succeeds.
    fn call(&mut self, part: &Range<usize>, allowance: Allowance) -> Result<(), Failure>;

    /// Says what a part is guilty of.
    fn blame(&mut self, part: Range<usize>, cause: Cause, reason: &str);
}

/// The way of some work through a step.
pub(crate) struct Bisection {
    /// What is not processed yet; the first part last.
    pending: Vec<Range<usize>>,
    retries: u32,
    overruns: u32,
    starved: u32,
    first_failure: Option<Stopwatch>,
    /// Why this work opened the circuit, if it did.
    pub(crate) opened: Option<Arc<str>>,
}

/// What to do about a part that failed.
enum Verdict {
    Again,
    Split,
    Blame(Cause, String),
    Open(String),
}

impl Bisection {
    /// Work of this length, begun in parts of at most `part`.
    pub(crate) fn new(length: usize, part: usize) -> Self {
        let part = part.max(1);
        let parts = (0..length).step_by(part).map(|start| start..(start + part).min(length));
        Self {
            pending: parts.rev().collect(),
            retries: 0,
            overruns: 0,
            starved: 0,
            first_failure: None,
            opened: None,
        }
    }

    /// Does the work from its first part to its last, so that everything comes out in order. Stops where the
    /// circuit is open.
    pub(crate) fn run(&mut self, work: &mut impl Work) -> Result<(), CircuitOpened> {
        while let Some(part) = self.pending.pop() {
            if let Some(reason) = work.step().circuit() {
                self.pending.push(part);
                return Err(CircuitOpened { reason });
            }
            let deadline = work.step().limits().deadline;
            let Err(failure) = self.attempt(work, &part, deadline) else { continue };
            match self.judge(work, failure, &part) {
                Some(Verdict::Again) => self.pending.push(part),
                Some(Verdict::Split) => {
                    let middle = part.start + part.len() / 2;
                    self.pending.push(middle..part.end);
                    self.pending.push(part.start..middle);
                }
                Some(Verdict::Blame(cause, reason)) => {
                    work.step().log_blame(cause, &reason, part.len());
                    work.blame(part, cause, &reason);
                }
                Some(Verdict::Open(reason)) => {
                    self.pending.push(part);
                    self.open(work.step(), reason);
                }
                None => {}
            }
        }
        Ok(())
    }

    fn open(&mut self, step: &Step, reason: String) {
        let reason: Arc<str> = Arc::from(reason);
        if step.open_circuit(&reason) {
            self.opened = Some(reason);
        }
    }

    /// Blames what is not processed yet on the circuit.
    pub(crate) fn reject_rest(&mut self, work: &mut impl Work, opened: &CircuitOpened) {
        let reason = format!("circuit of step `{}` is open: {opened}", work.step().plugin().name());
        while let Some(part) = self.pending.pop() {
            work.blame(part, Cause::CircuitOpen, &reason);
        }
    }

    /// One call, tried again while the plugin asks for it and the work has tries left.
    fn attempt(
        &mut self,
        work: &mut impl Work,
        part: &Range<usize>,
        deadline: Duration,
    ) -> Result<(), Failure> {
        loop {
            match work.call(part, Allowance::Cpu(deadline)) {
                Err(Failure::Retry(_)) if self.retries < work.step().limits().retries => {
                    std::thread::sleep(FIRST_BACKOFF * 2u32.saturating_pow(self.retries.min(8)));
                    self.retries += 1;
                }
                answer => return answer,
            }
        }
    }

    /// Decides; something alone that overran its deadline gets its second chance here, and none is returned if
    /// it took it.
    fn judge(&mut self, work: &mut impl Work, failure: Failure, part: &Range<usize>) -> Option<Verdict> {
        let fault = match self.fault(failure) {
            Ok(fault) => fault,
            Err(verdict) => return Some(verdict),
        };
        if let Some(exhausted) = self.exhausted(work.step(), fault.cause) {
            let reason = fault.reason(work.step().plugin().name(), Some(work.step().symbols()));
            return Some(Verdict::Open(format!("{exhausted}, the last because {reason}")));
        }
        if part.len() > 1 {
            return Some(Verdict::Split);
        }
        if fault.cause != Cause::Deadline {
            return Some(blame(work.step(), &fault));
        }
        let longer = work.step().limits().lone_row_deadline();
        match self.attempt(work, part, longer).map_err(|failure| self.fault(failure)) {
            Ok(()) => None,
            Err(Ok(fault)) => Some(blame(work.step(), &fault)),
            Err(Err(verdict)) => Some(verdict),
        }
    }

    /// What a failure holds against the part in hand, or what else to do.
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

    /// Counts a failure; says so when the work has used up what may go into finding what is guilty.
    fn exhausted(&mut self, step: &Step, cause: Cause) -> Option<String> {
        let limits = step.limits();
        let first = *self.first_failure.get_or_insert_with(Stopwatch::start);
        self.overruns += u32::from(cause == Cause::Deadline);
        if self.overruns > limits.overruns_per_batch {
            return Some(format!("{} calls of one batch overran their deadline", self.overruns));
        }
        first
            .is_over(limits.recovery)
            .then(|| format!("calls of one batch failed for more than {}", time(limits.recovery)))
    }
}

fn blame(step: &Step, fault: &Fault) -> Verdict {
    Verdict::Blame(fault.cause, fault.reason(step.plugin().name(), Some(step.symbols())))
}
