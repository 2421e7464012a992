//! Which versions of a stream's steps run and which ran before, with their figures. A plan enters when its
//! steps take the place of others; the figures of those are kept for a while, since counters that are read
//! from outside must not vanish at a swap.

use std::sync::Arc;

use super::step::StepFigures;
use crate::plan::{PlannedStep, StreamPlan};

/// Versions that are remembered of one step besides the one that runs.
const FORMER_MAX: usize = 8;

/// Versions of a stream's steps.
#[derive(Debug)]
pub(super) struct Versions {
    present: Vec<Arc<StepFigures>>,
    /// Versions that ran before or are about to run, the last one last.
    others: Vec<Arc<StepFigures>>,
}

impl Versions {
    /// The steps of `plan` run.
    pub(super) fn new(plan: &StreamPlan) -> Self {
        Self {
            present: plan.steps.iter().map(|step| Arc::new(StepFigures::new(step))).collect(),
            others: Vec::new(),
        }
    }

    /// Those that run, in the order of the steps.
    pub(super) fn present(&self) -> &[Arc<StepFigures>] {
        &self.present
    }

    /// Those that ran before.
    pub(super) fn former(&self) -> Vec<Arc<StepFigures>> {
        self.others.iter().filter(|figures| figures.rows() > 0).cloned().collect()
    }

    /// Figures of the steps of `plan`; those of a version that was not seen before begin at zero.
    pub(super) fn of_plan(&mut self, plan: &StreamPlan) -> Vec<Arc<StepFigures>> {
        plan.steps.iter().map(|step| self.of_step(step)).collect()
    }

    fn of_step(&mut self, step: &PlannedStep) -> Arc<StepFigures> {
        let known = self.present.iter().chain(&self.others).find(|figures| figures.is_of(step));
        known.cloned().unwrap_or_else(|| {
            let figures = Arc::new(StepFigures::new(step));
            self.remember(figures.clone());
            figures
        })
    }

    /// The steps of `plan`, with these figures, take the place of those that run.
    pub(super) fn enter(&mut self, plan: &StreamPlan, steps: &[Arc<StepFigures>]) {
        steps.iter().zip(&plan.steps).for_each(|(figures, step)| figures.enter(step));
        let is_present = |figures: &Arc<StepFigures>| steps.iter().any(|step| Arc::ptr_eq(step, figures));
        self.others.retain(|figures| !is_present(figures));
        let retired = std::mem::replace(&mut self.present, steps.to_vec());
        retired.into_iter().filter(|figures| !is_present(figures)).for_each(|figures| self.remember(figures));
    }

    fn remember(&mut self, figures: Arc<StepFigures>) {
        let of_step = |other: &&Arc<StepFigures>| other.name == figures.name;
        if self.others.iter().filter(of_step).count() >= FORMER_MAX {
            let oldest = self.others.iter().position(|other| other.name == figures.name);
            oldest.map(|index| self.others.remove(index));
        }
        self.others.push(figures);
    }
}
