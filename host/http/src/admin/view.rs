//! What there is, as the API shows it: made of the figures and of what the log said last.

use millstream_pipeline::admin::{AdminError, StepId};
use millstream_pipeline::telemetry::{Committed, Status, StepStatus, StreamStatus, Telemetry};

use super::model::{Candidate, Paused, Shadow, Step, Stream, Version};

/// Everything at one moment.
pub struct View {
    status: Status,
    committed: Committed,
}

impl View {
    /// What there is now.
    ///
    /// # Errors
    /// If the run has not begun.
    pub fn new(telemetry: &Telemetry) -> Result<Self, AdminError> {
        if telemetry.streams().is_empty() {
            return Err(AdminError::NotRunning("starting"));
        }
        Ok(Self { status: telemetry.status(), committed: telemetry.committed() })
    }

    /// All streams.
    pub fn streams(&self) -> impl Iterator<Item = Stream> {
        self.status.streams.iter().map(|stream| self.shown_stream(stream))
    }

    /// The stream of this name.
    ///
    /// # Errors
    /// Names the streams there are.
    pub fn stream(&self, name: &str) -> Result<Stream, AdminError> {
        self.find(name).map(|stream| self.shown_stream(stream))
    }

    /// All steps.
    pub fn steps(&self, telemetry: &Telemetry) -> Vec<Step> {
        let steps = self.status.streams.iter();
        let steps = steps.flat_map(|stream| stream.steps.iter().map(move |step| (stream, step)));
        steps.map(|(stream, step)| self.shown_step(telemetry, stream, step)).collect()
    }

    /// The step of this name.
    ///
    /// # Errors
    /// Names the streams, or the steps of the stream, that there are.
    pub fn step(&self, telemetry: &Telemetry, id: &StepId) -> Result<Step, AdminError> {
        let stream = self.find(&id.stream)?;
        let step = stream.steps.iter().find(|step| step.name == id.step).ok_or_else(|| {
            let known = list(stream.steps.iter().map(|step| step.name.as_str()));
            AdminError::Unknown(format!("no step `{}` in stream `{}`; it has: {known}", id.step, id.stream))
        })?;
        Ok(self.shown_step(telemetry, stream, step))
    }

    fn find(&self, name: &str) -> Result<&StreamStatus, AdminError> {
        self.status.streams.iter().find(|stream| stream.name == name).ok_or_else(|| {
            let known = list(self.status.streams.iter().map(|stream| stream.name.as_str()));
            AdminError::Unknown(format!("no stream `{name}`; there are: {known}"))
        })
    }

    fn shown_stream(&self, stream: &StreamStatus) -> Stream {
        Stream {
            stream: stream.name.clone(),
            topic: stream.topic.clone(),
            steps: stream.steps.iter().map(|step| step.name.clone()).collect(),
            messages: stream.messages,
            lag: stream.lag,
            paused: self.paused(&stream.name),
        }
    }

    fn shown_step(&self, telemetry: &Telemetry, stream: &StreamStatus, step: &StepStatus) -> Step {
        let id = StepId::new(stream.name.as_str(), step.name.as_str());
        let history = self.committed.versions.get(&id).into_iter().flatten().rev();
        let history: Vec<Version> = history.map(Version::from).collect();
        Step {
            candidate: telemetry.candidate(&id).as_ref().map(Candidate::from),
            paused: self.paused(&stream.name),
            since: history.iter().find(|version| version.digest == step.plugin_digest).cloned(),
            history,
            plugin: step.plugin.clone(),
            version: step.plugin_version.clone(),
            digest: step.plugin_digest,
            rows: step.rows,
            passed: step.passed,
            dropped: step.dropped,
            emitted: step.emitted,
            rejected: step.rejected.clone(),
            traps: step.rejected.get("trap").copied().unwrap_or(0),
            micros_per_row: step.micros_per_row(),
            circuit: step.circuit.clone(),
            stream: id.stream,
            step: id.step,
        }
    }

    fn paused(&self, stream: &str) -> Option<Paused> {
        self.committed.paused.get(stream).map(Paused::from)
    }
}

/// The shadows that are known, by number.
pub fn shadows(telemetry: &Telemetry) -> Vec<Shadow> {
    telemetry.shadows().into_values().map(Shadow::from).collect()
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
