//! The reloading thread: one thing after the other, as files, orders and time come. What it decides it decides
//! by the log as it is; if that changed meanwhile, it decides again.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use millstream_model::Digest;
use millstream_model::entry::ChangeCause;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch as signal};

use super::assembly::Obstacle;
use super::candidates::Candidates;
use super::grant::Outcome;
use super::shadows::Shadows;
use super::watch::Watch;
use super::wish::Wish;
use super::{Ask, ConfigSource, Order, Plans, ReloadContext, View};
use crate::admin::StepId;
use crate::config::{Config, StepConfig};
use crate::error::RunError;
use crate::lake::Lake;
use crate::library::Library;
use crate::telemetry::Telemetry;

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

    pub(super) fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.tell(ask(reply))?;
        answer.blocking_recv().map_err(|_| Stopped)
    }

    /// What the log says now.
    pub(super) fn view(&self, digests: Vec<Digest>) -> Result<View, Stopped> {
        self.ask(|reply| Ask::View(digests, reply))
    }
}

/// The thread's own.
pub(super) struct Work {
    pub(super) config: Config,
    pub(super) source: Option<ConfigSource>,
    pub(super) text: String,
    pub(super) plans: Plans,
    pub(super) waiting: BTreeMap<Arc<str>, String>,
    pub(super) library: Library,
    pub(super) lake: Lake,
    pub(super) threads: usize,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) candidates: Candidates,
    watch: Option<Watch>,
    /// What the folder held for a plugin when it was last looked at.
    pub(super) seen: BTreeMap<String, Digest>,
    pub(super) line: Line,
    pub(super) shadows: Shadows,
}

impl Work {
    pub(super) fn new(context: ReloadContext, line: Line, hint: SyncSender<Order>) -> Self {
        let ReloadContext { config, source, plans, library, lake, threads, telemetry } = context;
        let shadows = Shadows::new(hint.clone());
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
            shadows,
        }
    }

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
            Order::ShadowOver(status) => self.shadow_is_over(&status),
        }
    }

    fn look(&mut self) -> Result<Duration, Stopped> {
        let Some(watch) = &mut self.watch else { return Ok(Duration::from_secs(3600)) };
        let (changed, wait) = watch.look();
        if changed.configuration || !changed.plugins.is_empty() {
            let wish = self.wish_of(changed);
            self.carry_out(wish)?;
        }
        Ok(wait)
    }

    fn follow(&mut self) -> Result<(), Stopped> {
        let end = Instant::now() + MISSING_PATIENCE;
        loop {
            let view = self.line.view(Vec::new())?;
            let wish = Wish::new(ChangeCause::Started);
            let missing = match self.assemble(&wish, &view)? {
                Ok(_) => match self.carry_out(wish)? {
                    Outcome::Granted(_) | Outcome::Nothing => return Ok(()),
                    Outcome::Refused(reason) => RunError::NotFollowed { reason },
                },
                Err(Obstacle { error, .. }) => error,
            };
            if Instant::now() >= end {
                return self.line.tell(Ask::Fail(missing));
            }
            tracing::warn!(error = %missing, "what the log desires cannot be run; trying again");
            self.line.wait(tokio::time::sleep(MISSING_INTERVAL))?;
        }
    }

    pub(super) fn plugin_of(&self, step: &StepId) -> Option<(String, PathBuf)> {
        let plugin = step_of(&self.config, step)?.plugin.clone();
        let file = self.config.plugin_file(&plugin);
        Some((plugin, file))
    }
}

/// The step in the configuration.
pub(super) fn step_of<'a>(config: &'a Config, step: &StepId) -> Option<&'a StepConfig> {
    let stream = config.streams.iter().find(|stream| stream.name == step.stream)?;
    stream.steps.iter().find(|known| known.name == step.step)
}
