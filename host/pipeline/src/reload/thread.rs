//! The reloading thread: one thing after the other, as files, orders and time come. What it decides it decides
//! by the log as it is; if that changed meanwhile, it decides again.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use millstream_model::Digest;
use millstream_model::entry::{ChangeCause, Sequence};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch as signal};

use super::assembly::{Assembly, Obstacle};
use super::candidates::Candidates;
use super::configuration::{need_restart, taken};
use super::decide::{Decision, Facts, decide};
use super::target::{Version, uses, widened};
use super::watch::{Changed, Watch};
use super::wish::{Origin, Wanted, Wish};
use super::{Ask, ConfigSource, Order, Plans, Proposal, ReloadContext, Verdict, View, change};
use crate::admin::{CandidateState, StepId};
use crate::config::{Config, OnDropIn, StepConfig};
use crate::lake::Lake;
use crate::library::Library;
use crate::stage::Stage;
use crate::start::same_columns;
use crate::telemetry::Telemetry;

/// How often a wish is decided again because the log changed meanwhile.
const ATTEMPTS_MAX: u32 = 16;
/// How long a plugin that the log desires may be missing in the lake.
const MISSING_PATIENCE: Duration = Duration::from_secs(60);
/// Time between two looks for it.
const MISSING_INTERVAL: Duration = Duration::from_secs(1);

/// The run is over.
pub(super) struct Stopped;

/// The way to the run's loop and to the lake.
pub(super) struct Line {
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) runtime: Handle,
    pub(super) stopped: signal::Receiver<bool>,
}

impl Line {
    fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Waits for I/O.
    pub(super) fn wait<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stopped> {
        let Self { runtime, stopped, .. } = self;
        runtime.block_on(async {
            tokio::select! {
                // An error means that nobody can stop this any more, for there is no run.
                _ = stopped.wait_for(|stopped| *stopped) => Err(Stopped),
                result = work => Ok(result),
            }
        })
    }

    pub(super) fn tell(&self, ask: Ask) -> Result<(), Stopped> {
        self.asks.blocking_send(ask).map_err(|_| Stopped)
    }

    fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.tell(ask(reply))?;
        answer.blocking_recv().map_err(|_| Stopped)
    }

    /// What the log says now.
    pub(super) fn view(&self, digests: Vec<Digest>) -> Result<View, Stopped> {
        self.ask(|reply| Ask::View(digests, reply))
    }
}

/// What became of a wish.
pub(super) enum Outcome {
    /// It runs; with the entry that says so, if there had to be one.
    Granted(Option<Sequence>),
    /// There was nothing to change, or nothing that may be changed now.
    Nothing,
    /// It cannot be.
    Refused(String),
}

/// What the folder holds for a plugin.
struct Seen {
    digest: Digest,
    replaced: Option<Digest>,
}

/// The thread's own.
pub(super) struct Work {
    pub(super) config: Config,
    source: Option<ConfigSource>,
    text: String,
    pub(super) plans: Plans,
    waiting: BTreeMap<Arc<str>, String>,
    pub(super) library: Library,
    lake: Lake,
    threads: usize,
    telemetry: Arc<Telemetry>,
    pub(super) candidates: Candidates,
    watch: Option<Watch>,
    seen: BTreeMap<String, Seen>,
    pub(super) line: Line,
}

impl Work {
    pub(super) fn new(context: ReloadContext, line: Line, hint: SyncSender<Order>) -> Self {
        let ReloadContext { config, source, plans, library, lake, threads, telemetry } = context;
        let watch = source.as_ref().map(|source| {
            // A full inbox wakes the thread as well.
            let hint = move || drop(hint.try_send(Order::Look));
            Watch::new(config.plugins_dir.clone(), source.file.clone(), hint)
        });
        let text = source.as_ref().and_then(|source| std::fs::read_to_string(&source.file).ok());
        Self {
            config,
            source,
            text: text.unwrap_or_default(),
            plans,
            waiting: BTreeMap::new(),
            library,
            lake,
            threads,
            candidates: Candidates::new(telemetry.clone()),
            telemetry,
            watch,
            seen: BTreeMap::new(),
            line,
        }
    }

    /// Runs until the run is over.
    pub(super) fn run(mut self, inbox: &Receiver<Order>) {
        let mut wait = Duration::ZERO;
        while !self.line.is_stopped() {
            let order = match inbox.recv_timeout(wait) {
                Ok(order) => order,
                Err(RecvTimeoutError::Timeout) => Order::Look,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if self.obey(order).is_err() {
                return;
            }
            match self.look() {
                Ok(next) => wait = next,
                Err(Stopped) => return,
            }
        }
    }

    fn obey(&mut self, order: Order) -> Result<(), Stopped> {
        match order {
            Order::Look => Ok(()),
            Order::Follow => self.follow(),
            Order::CircuitOpened { stream, step, plugin, reason } => {
                self.leave_broken(&StepId::new(&*stream, &*step), plugin, &reason)
            }
            Order::Request(request) => self.answer(request),
        }
    }

    /// Takes what has changed in the folders; gives the time until the next look.
    fn look(&mut self) -> Result<Duration, Stopped> {
        let Some(watch) = &mut self.watch else { return Ok(Duration::from_secs(3600)) };
        let (changed, wait) = watch.look();
        if changed.configuration || !changed.plugins.is_empty() {
            let wish = self.wish_of(changed);
            self.carry_out(wish)?;
        }
        Ok(wait)
    }

    fn wish_of(&mut self, changed: Changed) -> Wish {
        let mut wish = Wish::new(ChangeCause::DroppedIn);
        wish.config = if changed.configuration { self.read_configuration() } else { None };
        let config = wish.config.as_ref().unwrap_or(&self.config);
        let mut steps: BTreeMap<String, Vec<StepId>> = BTreeMap::new();
        for stream in &config.streams {
            for step in &stream.steps {
                let id = StepId::new(stream.name.as_str(), step.name.as_str());
                steps.entry(step.plugin.clone()).or_default().push(id);
            }
        }
        // What did not fit the configuration as it was may fit it as it is.
        let is_meant = |name: &String| wish.config.is_some() || changed.plugins.contains(name);
        let named: Vec<_> = steps.into_iter().filter(|(name, _)| is_meant(name)).collect();
        for (name, steps) in named {
            self.drop_in(&mut wish, &name, steps);
        }
        wish
    }

    /// Wishes for the plugin of this name in the folder, in the place of its steps.
    fn drop_in(&mut self, wish: &mut Wish, name: &str, steps: Vec<StepId>) {
        let file = self.config.plugin_file(name);
        if !file.is_file() {
            return;
        }
        let from = file.display().to_string();
        let loaded = self.library.in_folder(name, &file).and_then(|(plugin, bytes)| {
            // It must be in the lake before anybody can be told to run it.
            let stored = self.line.wait(self.library.store(bytes));
            stored.unwrap_or(Ok(())).map(|()| plugin)
        });
        let plugin = match loaded {
            Ok(plugin) => plugin,
            Err(error) => {
                let state = || CandidateState::Refused { reason: error.to_string() };
                return steps.iter().for_each(|step| self.candidates.note(step, None, &from, state()));
            }
        };
        let digest = plugin.digest();
        let seen = self.seen.entry(name.to_owned()).or_insert(Seen { digest, replaced: None });
        if seen.digest != digest {
            *seen = Seen { digest, replaced: Some(seen.digest) };
        }
        for step in steps {
            let config = wish.config.as_ref().unwrap_or(&self.config);
            let Some(settings) = step_of(config, &step).map(|step| step.config.clone()) else { continue };
            let version = Version { plugin: plugin.clone(), config: settings };
            let origin = Origin::Folder { replaced: seen.replaced, approved: false };
            wish.steps.insert(step, Wanted { version, from: from.clone(), origin });
        }
    }

    /// The configuration as it is in its file now, as far as it is taken while the run goes on; none if it is
    /// broken, or says nothing new.
    fn read_configuration(&mut self) -> Option<Config> {
        let source = self.source.as_ref()?;
        let (text, read) = match std::fs::read_to_string(&source.file) {
            Ok(text) => (text, (source.read)()),
            Err(error) => {
                tracing::error!(%error, "the configuration cannot be read; the running one stays");
                return None;
            }
        };
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "the changed configuration is refused; the running one stays");
                self.telemetry.swaps.configuration_refused();
                return None;
            }
        };
        let keys = need_restart(&self.text, &text);
        if !keys.is_empty() {
            let keys = keys.into_iter().collect::<Vec<_>>().join(", ");
            tracing::warn!(keys, "these changes of the configuration need a restart");
        }
        self.text = text;
        let config = taken(&self.config, read);
        let is_same = config.streams.iter().zip(&self.config.streams).all(|(new, old)| new.is_same(old));
        (!is_same).then_some(config)
    }

    /// Runs what the log desires. A plugin that is not in the lake yet is waited for.
    fn follow(&mut self) -> Result<(), Stopped> {
        let end = Instant::now() + MISSING_PATIENCE;
        loop {
            let view = self.line.view(Vec::new())?;
            let mut wish = Wish::new(ChangeCause::Started);
            let missing = match self.assemble(&wish, &view)? {
                Ok(_) => {
                    self.carry_out(wish)?;
                    return Ok(());
                }
                Err(Obstacle { error, .. }) => error,
            };
            wish.refusals.clear();
            if Instant::now() >= end {
                return self.line.tell(Ask::Fail(missing));
            }
            tracing::warn!(error = %missing, "what the log desires cannot be loaded; trying again");
            self.line.wait(tokio::time::sleep(MISSING_INTERVAL))?;
        }
    }

    /// Does what is wished for as far as it can be done and may be done.
    pub(super) fn carry_out(&mut self, mut wish: Wish) -> Result<Outcome, Stopped> {
        for _ in 0..ATTEMPTS_MAX {
            let view = self.line.view(wish.digests())?;
            let Some(assembly) = self.settle(&mut wish, &view)? else { return Ok(refused(wish)) };
            let (config, granted) = (wish.config.clone(), wish.steps.keys().cloned().collect::<Vec<_>>());
            let is_nothing = assembly.changed.is_empty() && assembly.waiting == self.waiting;
            let offered = if is_nothing { None } else { Some(self.offer(&wish, &view, &assembly)?) };
            let sequence = match offered {
                Some(Offered::Verdict(Verdict::Swapped(sequence, replaced))) => {
                    drop(replaced);
                    sequence
                }
                Some(Offered::Verdict(Verdict::Stale)) => continue,
                Some(Offered::Verdict(Verdict::Rejected(reason)) | Offered::Failed(reason)) => {
                    self.refuse_all(&mut wish, &reason);
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
        self.refuse_all(&mut wish, &reason);
        Ok(Outcome::Refused(reason))
    }

    /// Takes out of the wish what runs already, what cannot run and what must wait, and plans the rest; none if
    /// nothing can be planned.
    fn settle(&mut self, wish: &mut Wish, view: &View) -> Result<Option<Assembly>, Stopped> {
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
                self.candidates.note(&step, Some(&wanted.version.plugin), &wanted.from, state);
            }
        }
    }

    /// Takes out what runs already and what the log has left behind.
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

    /// Takes out what an obstacle is about; false if there is nothing to take out.
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

    /// Goes on with the configuration that runs; false if no other one is wished for. Plugins that were dropped in
    /// with the other one are to run with this one then.
    fn leave_configuration(&self, wish: &mut Wish, reason: &str) -> bool {
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

    /// Steps whose new version may not run yet, and why.
    fn must_wait(&self, wish: &Wish, view: &View, assembly: &Assembly) -> Vec<(StepId, CandidateState)> {
        let config = wish.config.as_ref().unwrap_or(&self.config);
        let of_step = |(step, wanted): (&StepId, &Wanted)| {
            if wanted.origin == Origin::Asked {
                return None;
            }
            let policy = step_of(config, step)?.on_drop_in;
            let widened = self.widened(step, &assembly.plans);
            let state = match decide(&facts(wanted, view, step, policy, &widened)) {
                Decision::AwaitApproval => CandidateState::AwaitsApproval { widened },
                Decision::Hold => CandidateState::Held { reason: "on_drop_in is \"hold\"".to_owned() },
                Decision::Shadow => {
                    CandidateState::Held { reason: "on_drop_in is \"shadow_then_swap\"".to_owned() }
                }
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
            (Some(new), Some(live)) => widened(&new, &live),
            _ => Vec::new(),
        }
    }

    /// Makes all ready that the streams need, and proposes them.
    fn offer(&mut self, wish: &Wish, view: &View, assembly: &Assembly) -> Result<Offered, Stopped> {
        let stages = match self.stages(assembly) {
            Ok(stages) => stages,
            Err(reason) => return Ok(Offered::Failed(reason)),
        };
        let checked = self.line.wait(same_columns(&self.lake, &view.files, &assembly.changed))?;
        let mut desired = uses(assembly.plans.values());
        // What waits here may run elsewhere.
        let waits = |stream: &str| assembly.waiting.contains_key(stream);
        desired.extend(view.desired.iter().filter(|used| waits(&used.stream)).cloned());
        desired.sort();
        // Who only follows has nothing to say.
        let is_new = wish.is_new() && desired != view.desired;
        let cause = if wish.steps.is_empty() { ChangeCause::Configured } else { wish.cause };
        let entry = is_new.then(|| (desired, change(cause, self.known(assembly))));
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

    /// Plans of all streams that the log is to know, also of those that wait here.
    fn known<'a>(&'a self, assembly: &'a Assembly) -> Vec<&'a Arc<crate::plan::StreamPlan>> {
        let waits = self.plans.values().filter(|plan| assembly.waiting.contains_key(&plan.name));
        assembly.plans.values().chain(waits).collect()
    }

    fn stages(&self, assembly: &Assembly) -> Result<Vec<Vec<Stage>>, String> {
        let of_thread = |_| {
            let stage = |plan: &Arc<crate::plan::StreamPlan>| {
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
            self.config = config;
        }
        let running = self.plans.values().flat_map(|plan| &plan.steps);
        let mut in_use: BTreeSet<_> = running.map(|step| step.step.plugin().digest()).collect();
        in_use.extend(self.candidates.digests());
        self.library.keep_only(&in_use);
    }

    fn refuse_all(&mut self, wish: &mut Wish, reason: &str) {
        self.leave_configuration(wish, reason);
        for (step, wanted) in std::mem::take(&mut wish.steps) {
            if wanted.origin != Origin::Asked {
                let state = CandidateState::Refused { reason: reason.to_owned() };
                self.candidates.note(&step, Some(&wanted.version.plugin), &wanted.from, state);
            }
        }
    }

    /// File of a plugin of a step.
    pub(super) fn plugin_of(&self, step: &StepId) -> Option<(String, PathBuf)> {
        let plugin = step_of(&self.config, step)?.plugin.clone();
        let file = self.config.plugin_file(&plugin);
        Some((plugin, file))
    }
}

enum Offered {
    Verdict(Verdict),
    /// It cannot even be proposed.
    Failed(String),
}

fn refused(wish: Wish) -> Outcome {
    if wish.refusals.is_empty() { Outcome::Nothing } else { Outcome::Refused(wish.refusals.join("; ")) }
}

fn facts<'a>(
    wanted: &Wanted,
    view: &View,
    step: &StepId,
    policy: OnDropIn,
    widened: &'a [String],
) -> Facts<'a> {
    let file = wanted.version.plugin.digest();
    let (replaced, approved) = match wanted.origin {
        Origin::Folder { replaced, approved } => (replaced, approved),
        Origin::Asked => (None, true),
    };
    let desired = view.desired(step).map(|used| used.plugin);
    Facts { file, replaced, desired, retired: view.has_retired(file), policy, widened, approved }
}

/// The step in the configuration.
pub(super) fn step_of<'a>(config: &'a Config, step: &StepId) -> Option<&'a StepConfig> {
    let stream = config.streams.iter().find(|stream| stream.name == step.stream)?;
    stream.steps.iter().find(|known| known.name == step.step)
}
