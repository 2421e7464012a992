//! Takes out of a wish what runs already, what cannot run and what must wait for somebody.

use super::assembly::{Assembly, Obstacle};
use super::decide::{Decision, Facts, decide};
use super::thread::{Stopped, Work, step_of};
use super::wish::{Origin, Wanted, Wish};
use super::{Plans, View};
use crate::admin::{CandidateState, StepId};
use crate::config::OnDropIn;

impl Work {
    pub(super) fn settle(&mut self, wish: &mut Wish, view: &View) -> Result<Option<Assembly>, Stopped> {
        self.sort_out(wish, view);
        loop {
            let assembly = match self.assemble(wish, view)? {
                Ok(assembly) => assembly,
                Err(obstacle) if self.gives_way(wish, &obstacle) => continue,
                Err(obstacle) => {
                    wish.refusals.push(obstacle.error.to_string());
                    return Ok(None);
                }
            };
            let waits = self.must_wait(wish, view, &assembly);
            if waits.is_empty() {
                return Ok(Some(assembly));
            }
            for (step, state) in waits {
                let Some(wanted) = wish.steps.remove(&step) else { continue };
                match state {
                    Some(state) => {
                        self.candidates.note(&step, Some(&wanted.version.plugin), &wanted.from, state);
                    }
                    None => wish.shadows.push((step, wanted)),
                }
            }
        }
    }

    fn sort_out(&mut self, wish: &mut Wish, view: &View) {
        let candidates = &mut self.candidates;
        wish.steps.retain(|step, wanted| {
            let Origin::Folder { .. } = wanted.origin else { return true };
            match decide(&facts(wanted, view, step, OnDropIn::Swap, &[])) {
                Decision::Same => {
                    candidates.forget(step);
                    false
                }
                Decision::Leave => {
                    let reason = "it was replaced before; promote it to run it again".to_owned();
                    let state = CandidateState::Held { reason };
                    candidates.note(step, Some(&wanted.version.plugin), &wanted.from, state);
                    false
                }
                _ => true,
            }
        });
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

    pub(super) fn leave_configuration(&self, wish: &mut Wish, reason: &str) -> bool {
        if wish.config.take().is_none() {
            return false;
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
        &self,
        wish: &Wish,
        view: &View,
        assembly: &Assembly,
    ) -> Vec<(StepId, Option<CandidateState>)> {
        let config = wish.config.as_ref().unwrap_or(&self.config);
        let of_step = |(step, wanted): (&StepId, &Wanted)| {
            if wanted.origin == Origin::Asked {
                return None;
            }
            let policy = step_of(config, step)?.on_drop_in;
            let widened = self.widened(step, &assembly.plans);
            let state = match decide(&facts(wanted, view, step, policy, &widened)) {
                Decision::AwaitApproval => Some(CandidateState::AwaitsApproval { widened }),
                Decision::Hold => Some(CandidateState::Held { reason: "on_drop_in is \"hold\"".to_owned() }),
                Decision::Shadow => None,
                Decision::Same | Decision::Take | Decision::Leave => return None,
            };
            Some((step.clone(), state))
        };
        wish.steps.iter().filter_map(of_step).collect()
    }

    fn widened(&self, step: &StepId, plans: &Plans) -> Vec<String> {
        let find = |plans: &Plans| {
            let plan = plans.values().find(|plan| *plan.name == *step.stream)?;
            Some(plan.steps.iter().find(|planned| *planned.name == *step.step)?.step.clone())
        };
        match (find(plans), find(&self.plans)) {
            (Some(new), Some(live)) => new.widened(&live),
            _ => Vec::new(),
        }
    }

    pub(super) fn refuse_all(&mut self, wish: &mut Wish, reason: &str) {
        self.leave_configuration(wish, reason);
        for (step, wanted) in std::mem::take(&mut wish.steps) {
            if wanted.origin != Origin::Asked {
                let state = CandidateState::Refused { reason: reason.to_owned() };
                self.candidates.note(&step, Some(&wanted.version.plugin), &wanted.from, state);
            }
        }
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
