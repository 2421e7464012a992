//! Versions that were found and do not run: what waits for whom. Telemetry is told of each.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use millstream_engine::Plugin;
use millstream_model::Digest;

use super::shadowing::UPLOAD;
use crate::admin::{Candidate, CandidateState, StepId};
use crate::telemetry::Telemetry;

/// At most one for each step.
pub(super) struct Candidates {
    plugins: BTreeMap<StepId, Plugin>,
    /// What somebody approved that candidates ask for.
    approved: BTreeMap<StepId, (Digest, Vec<String>)>,
    telemetry: Arc<Telemetry>,
}

impl Candidates {
    pub(super) fn new(telemetry: Arc<Telemetry>) -> Self {
        Self { plugins: BTreeMap::new(), approved: BTreeMap::new(), telemetry }
    }

    /// Notes what is done with a version, in the place of any other one of the step; `plugin` is none if it does
    /// not load.
    pub(super) fn note(&mut self, step: &StepId, plugin: Option<&Plugin>, from: &str, state: CandidateState) {
        match plugin {
            Some(plugin) => self.plugins.insert(step.clone(), plugin.clone()),
            None => self.plugins.remove(step),
        };
        if self.approved.get(step).is_some_and(|(approved, _)| plugin.map(Plugin::digest) != Some(*approved))
        {
            self.approved.remove(step);
        }
        tell(step, plugin, from, &state);
        if matches!(state, CandidateState::Refused { .. }) {
            self.telemetry.swaps.refused(step);
        }
        let candidate = Candidate {
            step: step.clone(),
            plugin: plugin.map(Plugin::digest),
            version: plugin.map(|plugin| plugin.about().version.clone()),
            from: from.to_owned(),
            state,
            at_us: self.telemetry.now_us(),
        };
        self.told(|told| drop(told.insert(step.clone(), candidate)));
    }

    /// Forgets the one of this step; false if there is none.
    pub(super) fn forget(&mut self, step: &StepId) -> bool {
        self.plugins.remove(step);
        self.approved.remove(step);
        let mut known = false;
        self.told(|told| known = told.remove(step).is_some());
        known
    }

    /// Forgets what the folder offered for this step, which it offers no more; an upload stays.
    pub(super) fn forget_of_folder(&mut self, step: &StepId) {
        if self.of_step(step).is_some_and(|candidate| candidate.from != UPLOAD) {
            self.forget(step);
        }
    }

    /// The plugin of the step's candidate and what is done with it, if it is this one.
    pub(super) fn get(&self, step: &StepId, plugin: Digest) -> Option<(Plugin, Candidate)> {
        let held = self.plugins.get(step).filter(|held| held.digest() == plugin)?;
        Some((held.clone(), self.of_step(step)?))
    }

    /// Somebody approves what the step's candidate asks for.
    pub(super) fn approve(&mut self, step: &StepId, plugin: Digest, widened: Vec<String>) {
        self.approved.insert(step.clone(), (plugin, widened));
    }

    /// True if somebody approved all that the step's candidate asks for.
    pub(super) fn is_approved(&self, step: &StepId, plugin: Digest, widened: &[String]) -> bool {
        let known = self.approved.get(step).filter(|(approved, _)| *approved == plugin);
        let known = known.map_or(&[][..], |(_, known)| known);
        widened.iter().all(|asked| known.contains(asked))
    }

    /// The step's candidate, whether it loads or not.
    pub(super) fn of_step(&self, step: &StepId) -> Option<Candidate> {
        let mut candidate = None;
        self.told(|told| candidate = told.get(step).cloned());
        candidate
    }

    /// Their plugins.
    pub(super) fn digests(&self) -> impl Iterator<Item = Digest> {
        self.plugins.values().map(Plugin::digest)
    }

    fn told(&self, with: impl FnOnce(&mut BTreeMap<StepId, Candidate>)) {
        with(&mut self.telemetry.candidates.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn tell(step: &StepId, plugin: Option<&Plugin>, from: &str, state: &CandidateState) {
    let (stream, step) = (&step.stream, &step.step);
    let plugin = plugin.map(|plugin| plugin.digest().short());
    match state {
        CandidateState::Refused { reason } => {
            tracing::error!(
                stream,
                step,
                plugin,
                from,
                reason,
                "a new version is refused; the running one stays"
            );
        }
        CandidateState::AwaitsApproval { widened } => {
            let widened = widened.join(", ");
            tracing::warn!(
                stream,
                step,
                plugin,
                from,
                widened,
                "a new version waits until somebody approves it"
            );
        }
        CandidateState::Held { reason } => {
            tracing::info!(
                stream,
                step,
                plugin,
                from,
                reason,
                "a new version waits until somebody promotes it"
            );
        }
        CandidateState::Shadowed { shadow } => {
            tracing::info!(stream, step, plugin, from, shadow, "a new version runs as a shadow");
        }
        CandidateState::Checking => {}
    }
}
