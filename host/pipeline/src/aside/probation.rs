//! Whether a stream's batches go aside at once, without another try on the CPU thread: one that loops for
//! ever, or is slow but legal, holds up the thread once and not at every batch.

use super::HOLD;
use crate::telemetry::StepWork;

/// Batches in a row that must be clean and quick before the CPU thread tries again.
const CLEAN_MIN: u32 = 20;

/// What a stage remembers of trouble.
#[derive(Debug, Default)]
pub(crate) struct Probation {
    /// The step that had trouble, and the batches since then that had none.
    trouble: Option<(usize, u32)>,
}

impl Probation {
    /// The step from which on batches go aside, if they do.
    pub(crate) fn step(&self) -> Option<usize> {
        self.trouble.map(|(step, _)| step)
    }

    /// A step had trouble on the CPU thread.
    pub(crate) fn begin(&mut self, step: usize) {
        let earlier = self.step().unwrap_or(step);
        self.trouble = Some((step.min(earlier), 0));
    }

    /// A batch came back from aside, where the steps did this; the first of `works` is of the first step.
    pub(crate) fn note(&mut self, works: &[StepWork]) {
        let Some((step, clean)) = self.trouble else { return };
        let is_clean = |work: &StepWork| work.blamed() == 0 && work.busy() < HOLD / 2;
        let clean = if works.iter().skip(step).all(is_clean) { clean + 1 } else { 0 };
        self.trouble = (clean < CLEAN_MIN).then_some((step, clean));
    }
}
