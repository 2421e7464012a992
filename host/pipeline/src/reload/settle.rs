//! Takes out of a wish what runs already, what cannot run and what must wait for somebody.

use std::collections::BTreeSet;

use super::View;
use super::assembly::{Assembly, Obstacle};
use super::decide::{Decision, Facts, decide};
use super::thread::{Stopped, Work, step_of};
use super::wish::{Origin, Wanted, Wish};
use crate::admin::{CandidateState, StepId};
use crate::config::OnDropIn;
use crate::plan::StreamPlan;

impl Work {
    pub(super) fn settle(&mut self, wish: &mut Wish, view: &View) -> Result<Option<Assembly>, Stopped> {
        self.sort_out(wish, view);
        loop {
            let assembly = match self.assemble(wish, view)? {
                Ok(assembly) => assembly,
                Err(obstacle) if self.gives_way(wish, &obstacle) => continue,
                Err(obstacle) => {
                    self.refuse_all(wish, &obstacle.error.to_string());
                    return Ok(None);
                }
            };
            let waits = self.must_wait(wish, view, &assembly)?;
            if waits.is_empty() {
                return Ok(Some(assembly));
            }
            let renamed =
                waits.iter().map(|(step, _)| step).find(|step| self.is_renamed(wish, step)).cloned();
            for (step, state) in waits {
                let Some(wanted) = wish.steps.remove(&step) else { continue };
                match state {
                    Some(state) => {
                        self.candidates.note(&step, Some(&wanted.version.plugin), &wanted.from, state);
                    }
                    None => wish.shadows.push((step, wanted)),
                }
            }
            if let Some(step) = renamed {
                self.leave_configuration(
                    wish,
                    &format!("the plugin that it names for step {step} must wait"),
                );
            }
        }
    }

    fn sort_out(&mut self, wish: &mut Wish, view: &View) {
        let renamed: BTreeSet<_> =
            wish.steps.keys().filter(|step| self.is_renamed(wish, step)).cloned().collect();
        let mut left = None;
        let candidates = &mut self.candidates;
        wish.steps.retain(|step, wanted| {
            let Origin::Folder { .. } = wanted.origin else { return true };
            match decide(&facts(wanted, view, step, OnDropIn::Swap, &[])) {
                Decision::Same => {
                    candidates.forget_of_folder(step);
                    false
                }
                Decision::Leave => {
                    let reason = "it was replaced before; promote it to run it again".to_owned();
                    let state = CandidateState::Held { reason };
                    candidates.note(step, Some(&wanted.version.plugin), &wanted.from, state);
                    if renamed.contains(step) {
                        left = Some(step.clone());
                    }
                    false
                }
                _ => true,
            }
        });
        if let Some(step) = left {
            let reason = format!("the plugin that it names for step {step} was replaced before");
            self.leave_configuration(wish, &reason);
        }
    }

    /// True if the wish's configuration names another plugin for the step than the one that runs.
    fn is_renamed(&self, wish: &Wish, step: &StepId) -> bool {
        let named = wish.config.as_ref().and_then(|config| step_of(config, step));
        let running = step_of(&self.config, step);
        named.zip(running).is_some_and(|(named, running)| named.plugin != running.plugin)
    }

    fn gives_way(&mut self, wish: &mut Wish, obstacle: &Obstacle) -> bool {
        let reason = obstacle.error.to_string();
        wish.refusals.push(reason.clone());
        if obstacle.step.is_none() && self.leave_configuration(wish, &reason) {
            return true;
        }
        let about = |step: &StepId| match (&obstacle.stream, &obstacle.step) {
            (Some(stream), Some(name)) => step.stream == **stream && step.step == **name,
            (Some(stream), None) => step.stream == **stream,
            _ => true,
        };
        let steps: Vec<_> = wish.steps.keys().filter(|step| about(step)).cloned().collect();
        for step in &steps {
            let Some(wanted) = wish.steps.remove(step) else { continue };
            if wanted.origin != Origin::Asked {
                let state = CandidateState::Refused { reason: reason.clone() };
                self.candidates.note(step, Some(&wanted.version.plugin), &wanted.from, state);
            }
        }
        !steps.is_empty() || self.leave_configuration(wish, &reason)
    }

    /// Wishes for plugins that only the configuration names are left with it.
    pub(super) fn leave_configuration(&self, wish: &mut Wish, reason: &str) -> bool {
        let renamed: Vec<_> = wish.steps.keys().filter(|step| self.is_renamed(wish, step)).cloned().collect();
        if wish.config.take().is_none() {
            return false;
        }
        for step in &renamed {
            wish.steps.remove(step);
        }
        tracing::error!(reason, "the changed configuration is refused; the running one stays");
        self.telemetry.swaps.configuration_refused();
        wish.steps.retain(|step, wanted| {
            let Some(known) = step_of(&self.config, step) else { return false };
            wanted.version.config = known.config.clone();
            true
        });
        true
    }

    /// Steps whose version does not run now, and what is done with it; none if it runs as a shadow first.
    fn must_wait(
        &mut self,
        wish: &Wish,
        view: &View,
        assembly: &Assembly,
    ) -> Result<Vec<(StepId, Option<CandidateState>)>, Stopped> {
        let mut waits = Vec::new();
        for (step, wanted) in wish.steps.iter().filter(|(_, wanted)| wanted.origin != Origin::Asked) {
            let config = wish.config.as_ref().unwrap_or(&self.config);
            let Some(policy) = step_of(config, step).map(|step| step.on_drop_in) else { continue };
            if let Some(reason) = assembly.waiting.get(step.stream.as_str()) {
                let reason = format!("its stream does not run here now: {reason}");
                waits.push((step.clone(), Some(CandidateState::Held { reason })));
                continue;
            }
            let plan = assembly.plans.values().find(|plan| *plan.name == *step.stream);
            let widened = match plan {
                Some(plan) => self.widened(step, plan, view)?,
                None => Vec::new(),
            };
            let state = match decide(&facts(wanted, view, step, policy, &widened)) {
                Decision::AwaitApproval => Some(CandidateState::AwaitsApproval { widened }),
                Decision::Hold => Some(CandidateState::Held { reason: "on_drop_in is \"hold\"".to_owned() }),
                Decision::Shadow => None,
                Decision::Same | Decision::Take | Decision::Leave => continue,
            };
            waits.push((step.clone(), state));
        }
        Ok(waits)
    }

    /// What the step asks for in `plan` that the version that the log desires did not have. If that one cannot be
    /// planned here, nothing is known to be allowed.
    pub(super) fn widened(
        &mut self,
        step: &StepId,
        plan: &StreamPlan,
        view: &View,
    ) -> Result<Vec<String>, Stopped> {
        if view.desired(step).is_none() {
            return Ok(Vec::new());
        }
        let present = self.plan_of_log(&step.stream, view)?;
        let find = |plan: &StreamPlan| {
            Some(plan.steps.iter().find(|planned| *planned.name == *step.step)?.step.clone())
        };
        Ok(match (find(plan), present.and_then(|present| find(&present))) {
            (Some(new), Some(present)) => new.widened(&present),
            (Some(_), None) => {
                vec!["all that it asks for, since the present version cannot be planned here".to_owned()]
            }
            (None, _) => Vec::new(),
        })
    }

    pub(super) fn refuse_all(&mut self, wish: &mut Wish, reason: &str) {
        for (step, wanted) in std::mem::take(&mut wish.steps) {
            if wanted.origin != Origin::Asked {
                let state = CandidateState::Refused { reason: reason.to_owned() };
                self.candidates.note(&step, Some(&wanted.version.plugin), &wanted.from, state);
            }
        }
        self.leave_configuration(wish, reason);
    }
}

fn facts<'a>(
    wanted: &Wanted,
    view: &View,
    step: &StepId,
    policy: OnDropIn,
    widened: &'a [String],
) -> Facts<'a> {
    let file = wanted.version.plugin.digest();
    let (replaced, approved, shadowed) = match wanted.origin {
        Origin::Folder { replaced, approved, shadowed } => (replaced, approved, shadowed),
        Origin::Asked => (None, true, true),
    };
    let desired = view.desired(step).map(|used| used.plugin);
    Facts { file, replaced, desired, retired: view.has_retired(file), policy, widened, approved, shadowed }
}
