//! Exchanges the steps of streams while they run. What was made by the steps before is committed first, then the
//! log is told what is to run, and only then is committed what the new steps made meanwhile. If the log does not
//! take one of the two, all that is uncommitted is thrown away and begun again with the steps before. A worker
//! whose steps are not those that the log desires commits nothing until it has exchanged them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use millstream_log::{Rejection, Remedy};
use millstream_model::entry::{Body, Control, PluginChange, PluginUse};
use tokio::sync::oneshot;

use super::coordinator::Coordinator;
use crate::checkpoint::{AppendError, CheckpointLog};
use crate::error::RunError;
use crate::plan::StreamPlan;
use crate::reload::{Ask, Order, Plans, Proposal, Verdict, View};
use crate::stage::Stage;
use crate::task::TaskReport;
use crate::worker::Command;

/// Orders that the reloading thread had no room for yet; those that come then are for nothing.
const UNSENT_MAX: usize = 64;

/// Where the streams that run stand to the log.
pub(super) struct Standing {
    /// What the log desired when they were planned.
    base: Vec<PluginUse>,
    /// Streams that cannot run here as the log has them, by name, and why.
    waiting: BTreeMap<Arc<str>, String>,
    /// Streams that are paused on the threads.
    paused: BTreeSet<Arc<str>>,
    /// True if the reloading thread has been told to follow.
    follows: bool,
    unsent: VecDeque<Order>,
    /// Pauses that opened circuits ask for and the log has not yet: of each stream the step and the reason.
    pausing: BTreeMap<String, (String, String)>,
}

impl Standing {
    pub(super) fn new(log: &CheckpointLog) -> Self {
        Self {
            base: log.state().plugins().to_vec(),
            waiting: BTreeMap::new(),
            paused: BTreeSet::new(),
            follows: false,
            unsent: VecDeque::new(),
            pausing: BTreeMap::new(),
        }
    }

    /// A stream that cannot run here, as an error.
    pub(super) fn waits(&self) -> Option<RunError> {
        let (stream, reason) = self.waiting.first_key_value()?;
        Some(RunError::StreamWaits { stream: stream.to_string(), reason: reason.clone() })
    }

    /// True if the streams run what the log desires, as far as they run.
    pub(super) fn is_in_line(&self, log: &CheckpointLog) -> bool {
        log.state().plugins() == self.base
    }
}

/// What all threads did before they exchanged their stages, and the stages that they had.
struct Exchanged {
    reports: Vec<TaskReport>,
    replaced: Vec<Stage>,
}

impl Coordinator<'_> {
    /// Does what the reloading thread asks, which may have ended by the time that the answer is there.
    pub(super) async fn on_ask(&mut self, ask: Ask) -> Result<(), RunError> {
        match ask {
            Ask::View(digests, reply) => {
                self.refresh_if_reachable().await?;
                let _ = reply.send(View::of(self.log.state(), &digests));
            }
            Ask::Swap(proposal, reply) => {
                let verdict = self.swap(*proposal).await?;
                let _ = reply.send(verdict);
            }
            Ask::Pause { stream, step, reason } => {
                self.standing.pausing.insert(stream, (step, reason));
                self.pause_broken().await?;
            }
            Ask::Fail(error) => return Err(error),
        }
        Ok(())
    }

    /// Pauses the streams whose circuits opened. What the log does not take now, it is asked for at the next tick, unless
    /// the circuit is closed or the stream paused by then.
    pub(super) async fn pause_broken(&mut self) -> Result<(), RunError> {
        for (stream, (step, reason)) in std::mem::take(&mut self.standing.pausing) {
            if !self.held.contains_key(stream.as_str()) {
                continue;
            }
            // Its step is being exchanged, which may take long: nothing is asked of the store meanwhile.
            if !self.standing.is_in_line(&self.log) {
                self.standing.pausing.insert(stream, (step, reason));
                continue;
            }
            let paused = self.pause(stream.clone(), reason.clone(), Some(step.clone())).await?;
            if let Err(error) = paused
                && !self.log.state().paused().contains_key(&stream)
            {
                tracing::debug!(%error, stream, "the stream was not paused; trying again");
                self.standing.pausing.insert(stream, (step, reason));
            }
        }
        Ok(())
    }

    /// Tells the reloading thread; as soon as it has room, if it has none now.
    pub(super) fn order(&mut self, order: Order) {
        if self.standing.unsent.len() < UNSENT_MAX {
            self.standing.unsent.push_back(order);
        }
        self.send_orders();
    }

    /// Sends what the reloading thread had no room for.
    fn send_orders(&mut self) {
        let Some(reloader) = &self.reloader else { return };
        while let Some(order) = self.standing.unsent.pop_front() {
            if let Err(order) = reloader.order(order) {
                return self.standing.unsent.push_front(order);
            }
        }
    }

    /// Has the reloading thread follow the log, if that desires something else than what runs.
    pub(super) fn keep_in_line(&mut self) {
        self.send_orders();
        let is_in_line = self.standing.is_in_line(&self.log);
        self.standing.follows &= !is_in_line;
        let Some(reloader) = self.reloader.as_ref().filter(|_| !is_in_line && !self.standing.follows) else {
            return;
        };
        self.standing.follows = reloader.order(Order::Follow).is_ok();
    }

    /// The log says something new, perhaps.
    pub(super) fn note_log(&mut self) {
        self.telemetry.note_log(self.log.state());
        self.keep_in_line();
        let paused: BTreeSet<Arc<str>> =
            self.log.state().paused().keys().map(|stream| stream.as_str().into()).collect();
        if paused == self.standing.paused {
            return;
        }
        for stream in self.standing.paused.difference(&paused) {
            tracing::info!(%stream, "the stream goes on");
            // With a closed circuit.
            self.held.remove(stream);
        }
        for stream in paused.difference(&self.standing.paused) {
            tracing::warn!(%stream, reason = self.log.state().paused()[&**stream].reason, "the stream pauses");
        }
        for thread in &self.threads {
            // A thread that has ended is found out by whoever waits for it.
            thread.send(Command::Pause(paused.clone()));
        }
        self.standing.paused = paused;
        self.tell_standing();
    }

    /// Why no partition of this topic can be read now, if so.
    pub(super) fn waits(&self, topic: &str) -> Option<String> {
        let stream = self.config.streams.iter().find(|stream| stream.topic == topic)?;
        let is_in_line = self.standing.is_in_line(&self.log);
        let loading = || "the plugins that the log desires are being loaded".to_owned();
        let waiting = self.standing.waiting.get(stream.name.as_str()).cloned();
        waiting.or_else(|| (!is_in_line).then(loading))
    }

    async fn swap(&mut self, proposal: Proposal) -> Result<Verdict, RunError> {
        self.standing.follows = false;
        if self.log.state().plugins() != proposal.base {
            return Ok(Verdict::Stale);
        }
        let began = Instant::now();
        let Proposal { base, plans, waiting, stages, entry } = proposal;
        let Exchanged { reports, replaced } = self.exchange(stages).await?;
        tracing::debug!("swap: all threads have the new stages");
        match entry {
            Some((desired, change)) => {
                if !self.commit(reports, began).await? {
                    self.telemetry.swaps.failed();
                    return Ok(Verdict::Stale);
                }
                tracing::debug!("swap: the rows of the former stages are committed");
                self.propose(plans, waiting, desired, change, replaced).await
            }
            None => {
                let steps = changed(&self.standing.base, &base);
                self.go_on_with(base, plans, waiting);
                if !steps.is_empty() {
                    tracing::info!(steps, "steps were changed as the log desires");
                }
                self.commit(reports, began).await?;
                self.telemetry.swaps.followed();
                self.sort_partitions().await?;
                tracing::debug!("swap: done");
                Ok(Verdict::Swapped(None, replaced))
            }
        }
    }

    /// Has every thread report and go on with its stages.
    async fn exchange(&mut self, stages: Vec<Vec<Stage>>) -> Result<Exchanged, RunError> {
        let changes = stages.iter().any(|stages| !stages.is_empty());
        let mut replies = Vec::new();
        for (thread, stages) in stages.into_iter().enumerate() {
            let (reply, swapped) = oneshot::channel();
            self.send(thread, Command::Swap { stages, reply })?;
            replies.push(swapped);
        }
        let mut exchanged = Exchanged { reports: Vec::new(), replaced: Vec::new() };
        for reply in replies {
            let ended = |_| RunError::Thread { what: "a worker thread ended at a swap".to_owned() };
            let swapped = reply.await.map_err(ended)?;
            if changes {
                self.telemetry.swaps.held(swapped.held);
            }
            exchanged.reports.extend(swapped.reports);
            exchanged.replaced.extend(swapped.replaced);
        }
        Ok(exchanged)
    }

    /// Lets the log desire what runs already. If it does not, that begins again with what ran before.
    async fn propose(
        &mut self,
        plans: Plans,
        waiting: BTreeMap<Arc<str>, String>,
        desired: Vec<PluginUse>,
        change: PluginChange,
        replaced: Vec<Stage>,
    ) -> Result<Verdict, RunError> {
        let cause = change.cause;
        let steps = changed(self.log.state().plugins(), &desired);
        let control = Control::Plugins { desired: desired.clone(), change: Some(change) };
        let verdict = match self.log.append(Body::Control(control)).await {
            Ok(sequence) => {
                tracing::debug!(sequence, "swap: the log desires the new versions");
                self.go_on_with(desired, plans, waiting);
                self.note_log();
                self.telemetry.swaps.swapped(cause);
                self.sort_partitions().await?;
                tracing::info!(sequence, ?cause, steps, "steps were changed");
                tracing::debug!("swap: done");
                return Ok(Verdict::Swapped(Some(sequence), replaced));
            }
            Err(error @ AppendError::Rejected(Rejection::WriterNotOpen { .. })) => {
                return Err(self.refused(error));
            }
            Err(AppendError::Rejected(rejection)) if rejection.remedy() != Remedy::Reload => {
                Verdict::Rejected(rejection.to_string())
            }
            Err(AppendError::Rejected(_) | AppendError::Fenced) => Verdict::Stale,
            Err(error) => return Err(self.refused(error)),
        };
        self.telemetry.swaps.failed();
        self.begin_again().await?;
        Ok(verdict)
    }

    fn go_on_with(&mut self, base: Vec<PluginUse>, plans: Plans, waiting: BTreeMap<Arc<str>, String>) {
        self.standing.base = base;
        self.standing.waiting = waiting;
        let before = std::mem::replace(&mut self.plans, plans);
        let is_same =
            |plan: &Arc<StreamPlan>| before.get(&plan.topic).is_some_and(|before| Arc::ptr_eq(before, plan));
        let held = |stream: &Arc<str>| self.plans.values().any(|plan| plan.name == *stream && is_same(plan));
        self.held.retain(|stream, _| held(stream));
        self.tell_standing();
    }

    /// Closes the partitions of streams that wait, and opens those of streams that do not any more.
    async fn sort_partitions(&mut self) -> Result<(), RunError> {
        for (stream, reason) in &self.standing.waiting {
            tracing::error!(%stream, reason, "the stream waits");
        }
        let waiting: Vec<_> =
            self.assigned.keys().filter(|at| self.waits(&at.topic).is_some()).cloned().collect();
        self.close(&waiting);
        for partition in waiting {
            let reason = self.waits(&partition.topic).unwrap_or_default();
            self.note_unopened(partition, reason);
        }
        let unopened: Vec<_> = self.unopened.keys().cloned().collect();
        match unopened.is_empty() {
            true => Ok(()),
            false => self.open(unopened).await,
        }
    }
}

/// The steps that `desired` has otherwise than `before`, with the versions they run now, and those that it does not
/// have any more.
fn changed(before: &[PluginUse], desired: &[PluginUse]) -> String {
    let is_same =
        |one: &PluginUse, other: &PluginUse| (&one.stream, &one.step) == (&other.stream, &other.step);
    let new = desired.iter().filter(|used| !before.contains(used));
    let new = new.map(|used| format!("{}/{} {}", used.stream, used.step, used.plugin.short()));
    let gone = before.iter().filter(|used| !desired.iter().any(|other| is_same(used, other)));
    let gone = gone.map(|used| format!("{}/{} taken out", used.stream, used.step));
    new.chain(gone).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use millstream_model::Digest;

    use super::*;

    /// Steps as text: `stream/step=plugin`.
    fn uses(text: &str) -> Vec<PluginUse> {
        let used = |word: &str| {
            let (step, plugin) = word.split_once('=').unwrap();
            let (stream, step) = step.split_once('/').unwrap();
            let (stream, step) = (stream.to_owned(), step.to_owned());
            PluginUse { stream, step, plugin: Digest::of(plugin.as_bytes()), config: Digest::of(b"{}") }
        };
        text.split_whitespace().map(used).collect()
    }

    #[test]
    fn steps_that_change_are_named() {
        let check = |before: &str, after: &str, expected: &str| {
            assert_eq!(changed(&uses(before), &uses(after)), expected, "{before} -> {after}");
        };
        let (p, q) = (Digest::of(b"p").short(), Digest::of(b"q").short());
        check("v/a=p", "v/a=p", "");
        check("v/a=p v/b=p", "v/a=q v/b=p", &format!("v/a {q}"));
        check("v/a=p", "v/a=p w/a=p", &format!("w/a {p}"));
        // Nothing was named.
        check("v/a=p v/b=p", "v/a=p", "v/b taken out");
        check("v/a=p", "v/c=q", &format!("v/c {q}, v/a taken out"));
    }
}
