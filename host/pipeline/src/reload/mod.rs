//! Changes streams while they run. A thread of its own watches the plugin folder and the configuration, hears
//! of what the log desires and of what is asked for, and loads, checks, plans and warms up whole streams beside
//! the data path. What it made goes to the run's loop as a [`Proposal`]; the loop alone writes the log and
//! exchanges stages. Versions come from the log: a file is a wish, and the log says whether it was granted.

mod assembly;
mod at_start;
mod candidates;
mod configuration;
mod decide;
mod folder;
mod grant;
mod inbox;
mod requests;
mod settle;
mod shadowing;
mod shadows;
mod target;
mod thread;
mod view;
mod watch;
mod wish;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use millstream_model::Digest;
use millstream_model::entry::{PluginChange, PluginUse, Sequence};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch as signal};

pub(crate) use at_start::plan_at_start;
pub use configuration::ConfigSource;
pub(crate) use target::change;
pub(crate) use view::View;

use crate::admin::{Request, ShadowStatus};
use crate::config::Config;
use crate::error::RunError;
use crate::lake::Lake;
use crate::library::Library;
use crate::plan::StreamPlan;
use crate::stage::Stage;
use crate::telemetry::Telemetry;

/// Orders that may wait for the thread.
const ORDERS_MAX: usize = 64;

/// Streams that can run, by topic.
pub(crate) type Plans = BTreeMap<Arc<str>, Arc<StreamPlan>>;

/// What the thread is told.
pub(crate) enum Order {
    /// Files may have changed.
    Look,
    /// The log desires other plugins than those that run here.
    Follow,
    /// The circuit of a step opened.
    CircuitOpened {
        /// The stream.
        stream: Arc<str>,
        /// The step.
        step: Arc<str>,
        /// Its plugin.
        plugin: Digest,
        /// Why.
        reason: Arc<str>,
    },
    /// Somebody asks for something.
    Request(Request),
    /// A shadow is over.
    ShadowOver(Box<ShadowStatus>),
}

/// What the thread asks of the run's loop.
pub(crate) enum Ask {
    /// What the log says of plugins; of these digests, which were desired once and are no more.
    View(Vec<Digest>, oneshot::Sender<View>),
    /// To let streams go on with other stages.
    Swap(Box<Proposal>, oneshot::Sender<Verdict>),
    /// To pause a stream since the circuit of a step opened.
    Pause {
        /// The stream.
        stream: String,
        /// The step.
        step: String,
        /// Why.
        reason: String,
    },
    /// To end the run.
    Fail(RunError),
}

/// Streams with other steps than those that run.
pub(crate) struct Proposal {
    /// What the log desired when this was made; if it desires something else now, it is to be made anew.
    pub(crate) base: Vec<PluginUse>,
    /// All streams that can run from then on.
    pub(crate) plans: Plans,
    /// Streams that cannot, by name, and why.
    pub(crate) waiting: BTreeMap<Arc<str>, String>,
    /// Warm stages of the streams that change, for each CPU thread.
    pub(crate) stages: Vec<Vec<Stage>>,
    /// What the log is to desire; none if it does already.
    pub(crate) entry: Option<(Vec<PluginUse>, PluginChange)>,
}

/// What became of a proposal.
pub(crate) enum Verdict {
    /// Its streams run; with the entry that says so, if it needed one. The stages that were replaced are for the
    /// thread to drop.
    Swapped(Option<Sequence>, Vec<Stage>),
    /// The log changed meanwhile, or its entry is not known to stand: to be decided anew.
    Stale,
    /// The log does not take it.
    Rejected(String),
}

/// What the thread works with.
pub(crate) struct ReloadContext {
    /// The configuration that runs.
    pub(crate) config: Config,
    /// Where it is read again.
    pub(crate) source: Option<ConfigSource>,
    /// The plans that run.
    pub(crate) plans: Plans,
    /// Their plugins.
    pub(crate) library: Library,
    /// The lake.
    pub(crate) lake: Lake,
    /// CPU threads, each of which gets stages of its own.
    pub(crate) threads: usize,
    /// Where candidates and figures are told.
    pub(crate) telemetry: Arc<Telemetry>,
}

/// The reloading thread; ends when dropped.
pub(crate) struct Reloader {
    orders: SyncSender<Order>,
    asks: mpsc::Receiver<Ask>,
    stop: signal::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Reloader {
    /// Starts the thread. I/O is done on `runtime`, which must have other threads than those that wait for it.
    pub(crate) fn start(context: ReloadContext, runtime: Handle) -> io::Result<Self> {
        let (orders, inbox) = sync_channel(ORDERS_MAX);
        let (sender, asks) = mpsc::channel(1);
        let (stop, stopped) = signal::channel(false);
        let line = thread::Line { asks: sender, runtime, stopped };
        let hint = orders.clone();
        let start = move || thread::Work::new(context, line, hint).run(&inbox);
        let thread = std::thread::Builder::new().name("reload".to_owned()).spawn(start)?;
        Ok(Self { orders, asks, stop, thread: Some(thread) })
    }

    /// What the thread asks next; none once it has ended.
    pub(crate) async fn next(&mut self) -> Option<Ask> {
        self.asks.recv().await
    }

    /// Tells the thread, which may be busy: the order comes back if too many wait, or if the thread has ended.
    pub(crate) fn order(&self, order: Order) -> Result<(), Order> {
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(order) | TrySendError::Disconnected(order) => order,
        })
    }
}

impl Drop for Reloader {
    /// Ends the thread and waits for it: no longer than the compilation takes that it may be at.
    fn drop(&mut self) {
        self.stop.send_replace(true);
        // If there is no room, the thread is about to look anyway.
        let _ = self.orders.try_send(Order::Look);
        let (_, closed) = mpsc::channel(1);
        self.asks = closed;
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the thread itself; there is nothing to add here.
            let _ = thread.join();
        }
    }
}
