//! Shadows that this process runs, each with what it is for. Those that are over say so by an order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use millstream_model::Digest;

use super::Order;
use super::candidates::Candidates;
use super::wish::Wanted;
use crate::admin::{CandidateState, ShadowId, ShadowStatus, StepId};
use crate::plan::StreamPlan;
use crate::shadow::{SHADOWS_MAX, Shadow, ShadowError, ShadowPolicy, ShadowStart, start};

/// At most [`SHADOWS_MAX`] for each stream; dropping this stops them.
pub(super) struct Shadows {
    running: BTreeMap<ShadowId, Running>,
    over: SyncSender<Order>,
}

/// A shadow that was begun.
pub(super) struct Running {
    shadow: Shadow,
    pub(super) step: StepId,
    pub(super) purpose: Purpose,
}

/// What a shadow is for.
pub(super) enum Purpose {
    /// Somebody wants to see it.
    Asked,
    /// A version of the plugin folder takes over if the policy is kept. The plan is the stream's when it began.
    DroppedIn { wanted: Box<Wanted>, policy: ShadowPolicy, plan: Arc<StreamPlan> },
}

impl Shadows {
    /// None yet; `over` is told of those that end.
    pub(super) fn new(over: SyncSender<Order>) -> Self {
        Self { running: BTreeMap::new(), over }
    }

    /// Tells the thread of the reloader that a shadow is over, as [`ShadowStart::done`].
    pub(super) fn done(&self) -> Box<dyn FnOnce(ShadowStatus) + Send> {
        let over = self.over.clone();
        // With the reloader everything else ends, too.
        Box::new(move |status| drop(over.send(Order::ShadowOver(Box::new(status)))))
    }

    /// Begins one.
    pub(super) fn begin(&mut self, begin: ShadowStart, purpose: Purpose) -> Result<&Shadow, ShadowError> {
        let step = begin.step.clone();
        let of_stream = self.running.values().filter(|running| running.step.stream == step.stream);
        if of_stream.count() >= SHADOWS_MAX {
            return Err(ShadowError::TooMany);
        }
        let shadow = start(begin)?;
        let running = self.running.entry(shadow.id()).insert_entry(Running { shadow, step, purpose });
        Ok(&running.into_mut().shadow)
    }

    /// Takes out one that is over; none if it was left before.
    pub(super) fn take(&mut self, id: ShadowId) -> Option<Running> {
        self.running.remove(&id)
    }

    /// True if this version runs as a shadow beside that plan, to take over under that policy.
    pub(super) fn tries(
        &self,
        step: &StepId,
        plugin: Digest,
        policy: &ShadowPolicy,
        plan: &Arc<StreamPlan>,
    ) -> bool {
        self.running.values().any(|running| match &running.purpose {
            Purpose::Asked => false,
            Purpose::DroppedIn { wanted, policy: own, plan: beside } => {
                let is_it = running.step == *step && wanted.version.plugin.digest() == plugin;
                is_it && own == policy && Arc::ptr_eq(beside, plan)
            }
        })
    }

    /// Stops the shadows of versions of this step that were to take over.
    pub(super) fn leave(&mut self, step: &StepId) {
        self.running.retain(|_, running| running.step != *step || matches!(running.purpose, Purpose::Asked));
    }

    /// Stops the shadows of versions that were to take over and that are no candidates any more.
    pub(super) fn leave_forgotten(&mut self, candidates: &Candidates) {
        self.running.retain(|id, running| match &running.purpose {
            Purpose::Asked => true,
            Purpose::DroppedIn { wanted, .. } => {
                let candidate = candidates.get(&running.step, wanted.version.plugin.digest());
                candidate.is_some_and(|(_, known)| known.state == CandidateState::Shadowed { shadow: *id })
            }
        });
    }
}
