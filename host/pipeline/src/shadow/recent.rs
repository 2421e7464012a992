//! Takes the last messages of a stream through the live steps once more, beside the run: read from the source as
//! a visitor does, decoded, and passed through instances of their own up to the step that has a shadow. Nobody
//! is late here, as in a replay.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use millstream_engine::{StepInstance, StepOutput};
use millstream_model::MessageBatch;

use super::ShadowError;
use super::capture::Capture;
use super::compare::Made;
use crate::decode::Decoder;
use crate::plan::StreamPlan;
use crate::source::{SourceSettings, Visitor};

/// The last messages of a stream, and the steps on their way.
pub(super) struct Recent {
    plan: Arc<StreamPlan>,
    source: SourceSettings,
    messages: u64,
    /// Steps before the one that has a shadow.
    before: Vec<Passed>,
    live: Passed,
    decoder: Decoder,
    /// What live versions log about these messages they logged before.
    capture: Capture,
}

/// A live step, with a circuit of its own.
struct Passed {
    name: Arc<str>,
    instance: StepInstance,
}

impl Recent {
    /// At most so many messages; step `index` of the plan is the one that has a shadow.
    pub(super) fn new(plan: &Arc<StreamPlan>, index: usize, source: SourceSettings, messages: u64) -> Self {
        let passed = |index: usize| {
            let step = &plan.steps[index];
            Passed { name: step.name.clone(), instance: step.step.apart().instance() }
        };
        Self {
            plan: plan.clone(),
            source,
            messages,
            before: (0..index).map(passed).collect(),
            live: passed(index),
            decoder: Decoder::new(plan.schema.clone())
                .expect("the plan was made with a decoder of the same schema"),
            capture: Capture::new(),
        }
    }

    /// Gives each batch of the step's input, and what the live version makes of it.
    pub(super) fn run(
        mut self,
        mut take: impl FnMut(&RecordBatch, Made<'_>) -> Result<(), ShadowError>,
    ) -> Result<(), ShadowError> {
        for passed in self.before.iter_mut().chain([&mut self.live]) {
            self.capture.around(|| passed.instance.warm()).map_err(|reason| passed.stuck(reason))?;
        }
        let visitor = Visitor::connect(&self.source, &self.plan.topic)?;
        for (partition, range) in visitor.newest(self.messages)? {
            let mut failure = None;
            visitor.read(&partition, range, &mut |batch| {
                failure = self.pass(batch, &mut take).err();
                if failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if let Some(error) = failure {
                return Err(error);
            }
        }
        Ok(())
    }

    fn pass(
        &mut self,
        batch: &MessageBatch,
        take: &mut impl FnMut(&RecordBatch, Made<'_>) -> Result<(), ShadowError>,
    ) -> Result<(), ShadowError> {
        let mut rows = self.decoder.decode(batch).rows;
        for step in &mut self.before {
            if rows.num_rows() == 0 {
                return Ok(());
            }
            rows = step.process(&rows, &self.capture)?.passed;
        }
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let began = Instant::now();
        let output = self.live.process(&rows, &self.capture)?;
        take(&rows, Made { output: &output, busy: began.elapsed() })
    }
}

impl Passed {
    fn process(&mut self, rows: &RecordBatch, capture: &Capture) -> Result<StepOutput, ShadowError> {
        let output = capture.around(|| self.instance.process(rows));
        match self.instance.step().circuit() {
            Some(reason) => Err(self.stuck(reason.to_string())),
            None => Ok(output),
        }
    }

    fn stuck(&self, reason: String) -> ShadowError {
        ShadowError::Live { step: self.name.to_string(), reason }
    }
}
