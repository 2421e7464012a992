//! Runs versions beside the live one: those that somebody asks about, and those of the plugin folder that take
//! over only if their shadow kept the step's thresholds. What a shadow may not be is said here: none has an effect.

use std::sync::Arc;

use millstream_engine::{Plugin, Step};
use millstream_model::Digest;
use millstream_model::entry::ChangeCause;

use super::requests::unknown;
use super::shadows::Purpose;
use super::target::{Version, plan_stream};
use super::thread::{Stopped, Work, step_of};
use super::wish::{Origin, Wanted, Wish};
use crate::admin::{
    AdminError, CandidateState, ShadowCandidate, ShadowExtent, ShadowId, ShadowStatus, StepId,
};
use crate::plan::{PlannedStep, StreamPlan};
use crate::shadow::{ShadowPolicy, ShadowStart};
use crate::signed::Signed;

/// Where a candidate comes from that is in no folder.
pub(super) const UPLOAD: &str = "an upload";
/// Why such a candidate waits.
pub(super) const UPLOADED: &str = "it was uploaded for a shadow; promote it to run it";

/// A version in the place of a step.
struct Tried {
    /// The stream as it runs.
    live: Arc<StreamPlan>,
    /// The version, configured for the rows that the step gets.
    step: Step,
    /// What it asks for that the running one does not have.
    widened: Vec<String>,
}

impl Work {
    /// Begins a shadow that somebody asks for.
    pub(super) fn shadow(
        &mut self,
        step: &StepId,
        candidate: ShadowCandidate,
        extent: ShadowExtent,
    ) -> Result<Result<ShadowStatus, AdminError>, Stopped> {
        let answer = match candidate {
            ShadowCandidate::Bytes(bytes) => self.shadow_of_upload(step, bytes, extent)?,
            ShadowCandidate::Digest(plugin) => match self.version_of(step, plugin)? {
                Ok(version) => {
                    let tried = self.tried(step, &version, extent);
                    tried.and_then(|tried| self.begin_shadow(step, &tried, extent, Purpose::Asked))
                }
                Err(error) => Err(error),
            },
        };
        self.forget_unused();
        Ok(answer)
    }

    /// The candidate of the step, or the version that it had, with the configuration that it would run with.
    fn version_of(&mut self, step: &StepId, plugin: Digest) -> Result<Result<Version, AdminError>, Stopped> {
        let Some(config) = step_of(&self.config, step).map(|step| step.config.clone()) else {
            return Ok(Err(unknown(step)));
        };
        if let Some((plugin, _)) = self.candidates.get(step, plugin) {
            return Ok(Ok(Version { plugin, config }));
        }
        let view = self.line.view(Vec::new())?;
        match view.versions(step).iter().rfind(|version| version.plugin == plugin) {
            Some(version) => {
                let known = self.known_version(step, version)?;
                Ok(known.map_err(|error| AdminError::Conflict(error.to_string())))
            }
            None => {
                let text = format!("step {step} has no candidate and had no version {}", plugin.short());
                Ok(Err(AdminError::Unknown(text)))
            }
        }
    }

    /// An upload is in the lake before it is a candidate, so that it can be promoted.
    fn shadow_of_upload(
        &mut self,
        step: &StepId,
        bytes: Vec<u8>,
        extent: ShadowExtent,
    ) -> Result<Result<ShadowStatus, AdminError>, Stopped> {
        let Some(known) = step_of(&self.config, step) else { return Ok(Err(unknown(step))) };
        let (name, config) = (known.plugin.clone(), known.config.clone());
        if self.library.demands_signature(&name) {
            let text = format!(
                "plugin `{name}` must be signed, and an upload carries no signature: sign it, set on_drop_in = \"hold\" \
                 and put it into the plugin folder; the candidate can be shadowed by its digest"
            );
            return Ok(Err(AdminError::Refused(text)));
        }
        let plugin = match self.library.of_bytes(&name, &bytes, UPLOAD) {
            Ok(plugin) => plugin,
            Err(error) => return Ok(Err(AdminError::Refused(error.to_string()))),
        };
        let tried = match self.tried(step, &Version { plugin: plugin.clone(), config }, extent) {
            Ok(tried) => tried,
            Err(error) => return Ok(Err(error)),
        };
        let stored = self.library.store(Signed { name, bytes, signature: None });
        if let Err(error) = self.line.wait(stored)? {
            return Ok(Err(AdminError::Conflict(error.to_string())));
        }
        let begun = self.begin_shadow(step, &tried, extent, Purpose::Asked);
        if let Ok(status) = &begun {
            self.note_upload(step, &plugin, status.id, tried);
        }
        Ok(begun)
    }

    /// Makes the upload the step's candidate, unless it runs or one of the folder waits.
    fn note_upload(&mut self, step: &StepId, plugin: &Plugin, shadow: ShadowId, tried: Tried) {
        let runs = find(&tried.live, step).is_some_and(|live| live.step.plugin().digest() == plugin.digest());
        let gives_way = self.candidates.of_step(step).is_none_or(|candidate| {
            candidate.from == UPLOAD || matches!(candidate.state, CandidateState::Refused { .. })
        });
        if runs || !gives_way {
            return;
        }
        let state = match tried.widened.is_empty() {
            true => CandidateState::Shadowed { shadow },
            // Nobody may promote it before that is approved.
            false => CandidateState::AwaitsApproval { widened: tried.widened },
        };
        self.candidates.note(step, Some(plugin), UPLOAD, state);
    }

    /// Begins the shadow of a version of the folder that takes over if it is good.
    pub(super) fn shadow_first(&mut self, step: &StepId, mut wanted: Wanted) {
        let Some(known) = step_of(&self.config, step) else { return };
        let (policy, extent) = (known.shadow.clone(), ShadowExtent::For(known.shadow.runs_for));
        wanted.version.config = known.config.clone();
        let (plugin, from) = (wanted.version.plugin.clone(), wanted.from.clone());
        let begun = self.tried(step, &wanted.version, extent).and_then(|tried| {
            if self.shadows.tries(step, plugin.digest(), &policy, &tried.live) {
                return Ok(None);
            }
            self.shadows.leave(step);
            let plan = tried.live.clone();
            let purpose = Purpose::DroppedIn { wanted: Box::new(wanted), policy, plan };
            self.begin_shadow(step, &tried, extent, purpose).map(Some)
        });
        let state = match begun {
            Ok(None) => return,
            Ok(Some(status)) => CandidateState::Shadowed { shadow: status.id },
            Err(AdminError::Refused(reason)) => CandidateState::Refused { reason },
            Err(error) => CandidateState::Held { reason: format!("it cannot run as a shadow: {error}") },
        };
        self.candidates.note(step, Some(&plugin), &from, state);
    }

    /// A shadow is over: what it was for goes on, unless the step has another candidate by now.
    pub(super) fn shadow_is_over(&mut self, status: &ShadowStatus) -> Result<(), Stopped> {
        let Some(running) = self.shadows.take(status.id) else { return Ok(()) };
        let step = running.step;
        let candidate = self.candidates.get(&step, status.plugin);
        let is_shadowed = CandidateState::Shadowed { shadow: status.id };
        let Some((plugin, candidate)) = candidate.filter(|(_, known)| known.state == is_shadowed) else {
            return Ok(());
        };
        match running.purpose {
            Purpose::Asked => {
                let state = CandidateState::Held { reason: UPLOADED.to_owned() };
                self.candidates.note(&step, Some(&plugin), &candidate.from, state);
                Ok(())
            }
            Purpose::DroppedIn { wanted, policy, plan } => {
                let is_live = self.plans.values().any(|live| Arc::ptr_eq(live, &plan));
                self.go_on_after(&step, *wanted, &policy, status, is_live)
            }
        }
    }

    /// Judges; if the version ran beside another one than the live, it is decided anew.
    fn go_on_after(
        &mut self,
        step: &StepId,
        mut wanted: Wanted,
        policy: &ShadowPolicy,
        status: &ShadowStatus,
        is_live: bool,
    ) -> Result<(), Stopped> {
        if is_live && let Err(reasons) = policy.judge(status) {
            let reason = format!("shadow {}: {}", status.id, reasons.join("; "));
            let state = CandidateState::Held { reason };
            self.candidates.note(step, Some(&wanted.version.plugin), &wanted.from, state);
            return Ok(());
        }
        if let Origin::Folder { shadowed, .. } = &mut wanted.origin {
            *shadowed = is_live;
        }
        let plugin = status.plugin.short();
        tracing::info!(%step, plugin, shadow = status.id, is_live, "the shadow of a new version is over");
        self.carry_out(Wish::of(ChangeCause::DroppedIn, step.clone(), wanted)).map(drop)
    }

    fn begin_shadow(
        &mut self,
        step: &StepId,
        tried: &Tried,
        extent: ShadowExtent,
        purpose: Purpose,
    ) -> Result<ShadowStatus, AdminError> {
        let begin = ShadowStart {
            step: step.clone(),
            plan: tried.live.clone(),
            candidate: tried.step.clone(),
            extent,
            source: self.config.source.clone(),
            telemetry: self.telemetry.clone(),
            done: self.shadows.done(),
        };
        let shadow = self.shadows.begin(begin, purpose)?;
        shadow.status().ok_or(AdminError::NotRunning("busy"))
    }

    /// Plans the version in the place of the step in its stream as it runs, as if it took over.
    fn tried(&self, id: &StepId, version: &Version, extent: ShadowExtent) -> Result<Tried, AdminError> {
        let stream = self.config.streams.iter().find(|stream| stream.name == id.stream);
        let stream = stream.ok_or_else(|| unknown(id))?;
        let live = self.plans.values().find(|plan| *plan.name == *id.stream).ok_or_else(|| {
            let text = format!("stream `{}` does not run here now; /status says why", id.stream);
            AdminError::Conflict(text)
        })?;
        let version_of = |planned: &PlannedStep| match *planned.name == *id.step {
            true => version.clone(),
            false => Version { plugin: planned.step.plugin().clone(), config: planned.settings.clone() },
        };
        let versions: Vec<_> = live.steps.iter().map(version_of).collect();
        let planned =
            plan_stream(stream, &versions).map_err(|error| AdminError::Refused(error.to_string()))?;
        let (Some(running), Some(planned)) = (find(live, id), find(&planned, id)) else {
            return Err(unknown(id));
        };
        asks_nobody(live, id, &planned.step, extent)?;
        let widened = planned.step.widened(&running.step);
        Ok(Tried { live: live.clone(), step: planned.step.clone(), widened })
    }
}

/// Refuses a shadow in which servers would be asked.
fn asks_nobody(
    live: &StreamPlan,
    id: &StepId,
    candidate: &Step,
    extent: ShadowExtent,
) -> Result<(), AdminError> {
    if candidate.uses_http() {
        let text = "it asks servers, which a shadow must not; put it into the plugin folder with on_drop_in = \"hold\" \
                    and promote it to run it";
        return Err(AdminError::Conflict(text.to_owned()));
    }
    if let ShadowExtent::For(_) = extent {
        return Ok(());
    }
    let up_to = live.steps.iter().take_while(|step| *step.name != *id.step).chain(find(live, id));
    match up_to.into_iter().find(|step| step.step.uses_http()) {
        Some(step) => Err(AdminError::Conflict(format!(
            "step `{}` asks servers, and would ask again for messages that are read again; let the shadow look at \
             live batches (`for`)",
            step.name
        ))),
        None => Ok(()),
    }
}

fn find<'a>(plan: &'a StreamPlan, id: &StepId) -> Option<&'a PlannedStep> {
    plan.steps.iter().find(|step| *step.name == *id.step)
}
