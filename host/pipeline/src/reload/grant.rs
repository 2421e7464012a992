//! Has the run's loop do what is wished for: makes stages of it, proposes them, and decides again if the log has
//! changed meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millstream_model::entry::{ChangeCause, Sequence};

use super::assembly::Assembly;
use super::target::uses;
use super::thread::{Stopped, Work};
use super::wish::Wish;
use super::{Ask, Proposal, Verdict, View, change};
use crate::config::{Config, edited_keys};
use crate::plan::StreamPlan;
use crate::stage::Stage;
use crate::start::same_columns;

/// How often a wish is decided again because the log changed meanwhile.
const ATTEMPTS_MAX: u32 = 16;

/// What became of a wish.
pub(super) enum Outcome {
    /// It runs; with the entry that says so, if there had to be one.
    Granted(Option<Sequence>),
    /// There was nothing to change, or nothing that may be changed now.
    Nothing,
    /// It cannot be.
    Refused(String),
}

enum Offered {
    Verdict(Verdict),
    /// It cannot even be proposed.
    Failed(String),
}

impl Work {
    pub(super) fn carry_out(&mut self, mut wish: Wish) -> Result<Outcome, Stopped> {
        let outcome = self.grant(&mut wish)?;
        for (step, wanted) in wish.shadows {
            self.shadow_first(&step, wanted);
        }
        self.shadows.leave_forgotten(&self.candidates);
        self.forget_unused();
        Ok(outcome)
    }

    fn grant(&mut self, wish: &mut Wish) -> Result<Outcome, Stopped> {
        for _ in 0..ATTEMPTS_MAX {
            let view = self.line.view(wish.digests())?;
            let Some(assembly) = self.settle(wish, &view)? else { return Ok(refused(wish)) };
            let (config, granted) = (wish.config.clone(), wish.steps.keys().cloned().collect::<Vec<_>>());
            // Who follows tells the run's loop that it does, even if nothing is to be exchanged for it.
            let is_nothing = wish.is_new() && assembly.changed.is_empty() && assembly.waiting == self.waiting;
            let offered = if is_nothing { None } else { Some(self.offer(wish, &view, &assembly)?) };
            let sequence = match offered {
                Some(Offered::Verdict(Verdict::Swapped(sequence, replaced))) => {
                    drop(replaced);
                    sequence
                }
                Some(Offered::Verdict(Verdict::Stale)) => continue,
                Some(Offered::Verdict(Verdict::Rejected(reason)) | Offered::Failed(reason)) => {
                    self.refuse_all(wish, &reason);
                    return Ok(Outcome::Refused(reason));
                }
                None => None,
            };
            self.adopt(assembly, config);
            for step in &granted {
                self.candidates.forget(step);
            }
            let is_refused = !wish.refusals.is_empty() && granted.is_empty() && is_nothing;
            return Ok(if is_refused {
                refused(wish)
            } else if is_nothing {
                Outcome::Nothing
            } else {
                Outcome::Granted(sequence)
            });
        }
        let reason = format!("the log changed {ATTEMPTS_MAX} times while it was decided");
        self.refuse_all(wish, &reason);
        Ok(Outcome::Refused(reason))
    }

    fn offer(&mut self, wish: &Wish, view: &View, assembly: &Assembly) -> Result<Offered, Stopped> {
        let stages = match self.stages(assembly) {
            Ok(stages) => stages,
            Err(reason) => return Ok(Offered::Failed(reason)),
        };
        let checked = self.line.wait(same_columns(&self.lake, &view.files, &assembly.changed))?;
        let mut desired = uses(assembly.plans.values());
        let elsewhere = self.elsewhere(view, assembly);
        desired.extend(view.desired.iter().filter(|used| elsewhere.contains_key(&used.stream)).cloned());
        desired.sort();
        // Who only follows has nothing to say.
        let is_new = wish.is_new() && desired != view.desired;
        let cause = if wish.steps.is_empty() { ChangeCause::Configured } else { wish.cause };
        let entry = is_new.then(|| {
            let mut change = change(cause, view.changed, assembly.plans.values());
            change.topics.extend(elsewhere);
            (desired, change)
        });
        let stored = match entry {
            Some(_) => self.line.wait(assembly.store(&self.library))?,
            None => Ok(()),
        };
        if let Err(error) = checked.and(stored) {
            return Ok(Offered::Failed(error.to_string()));
        }
        tracing::debug!(?cause, is_new = entry.is_some(), "swap: stored and ready");
        let proposal = Proposal {
            base: view.desired.clone(),
            plans: assembly.plans.clone(),
            waiting: assembly.waiting.clone(),
            stages,
            entry,
        };
        self.line.ask(|reply| Ask::Swap(Box::new(proposal), reply)).map(Offered::Verdict)
    }

    /// Streams that the log desires and that are not planned here, for they wait or are not configured, with their
    /// topics: other workers may run them.
    fn elsewhere(&self, view: &View, assembly: &Assembly) -> BTreeMap<String, String> {
        let is_planned = |stream: &str| assembly.plans.values().any(|plan| *plan.name == *stream);
        let topic = |stream: &str| {
            let configured = self.config.streams.iter().find(|known| known.name == stream);
            view.topics.get(stream).cloned().or_else(|| Some(configured?.topic.clone()))
        };
        let streams = view.desired.iter().map(|used| &used.stream).filter(|stream| !is_planned(stream));
        streams.filter_map(|stream| Some((stream.clone(), topic(stream)?))).collect()
    }

    fn stages(&self, assembly: &Assembly) -> Result<Vec<Vec<Stage>>, String> {
        let of_thread = |_| {
            let stage = |plan: &Arc<StreamPlan>| {
                let figures = self.telemetry.stream(&plan.name);
                let figures = figures.expect("telemetry began with the streams of this run").clone();
                let mut stage = Stage::new(plan.clone(), figures);
                stage.warm().map(|()| stage)
            };
            assembly.changed.iter().map(stage).collect::<Result<Vec<_>, _>>()
        };
        (0..self.threads).map(of_thread).collect()
    }

    fn adopt(&mut self, assembly: Assembly, config: Option<Config>) {
        self.plans = assembly.plans;
        self.waiting = assembly.waiting;
        if let Some(config) = config {
            let streams = self.config.streams.iter().zip(&config.streams);
            let keys: Vec<_> = streams.flat_map(|(before, after)| edited_keys(before, after)).collect();
            tracing::info!(keys = keys.join(", "), "the changed configuration is in force");
            self.config = config;
        }
    }

    /// Lets go of compiled plugins that neither run nor wait.
    pub(super) fn forget_unused(&mut self) {
        let running = self.plans.values().flat_map(|plan| &plan.steps);
        let mut in_use: BTreeSet<_> = running.map(|step| step.step.plugin().digest()).collect();
        in_use.extend(self.candidates.digests());
        self.library.keep_only(&in_use);
    }
}

fn refused(wish: &Wish) -> Outcome {
    if wish.refusals.is_empty() { Outcome::Nothing } else { Outcome::Refused(wish.refusals.join("; ")) }
}
