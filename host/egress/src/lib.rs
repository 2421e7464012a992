//! Sends the requests of plugins to the servers they are granted, and to no other address. A request comes in
//! as a plugin made it; it leaves only to an origin on the step's list, at an address that was checked, with
//! credentials that the host adds and the plugin never sees; what comes back is bounded and filtered. The
//! crate knows nothing of batches or of WebAssembly.
//!
//! [`Egress`] is given to the engine as its [`Network`]; for each step it makes what sends with that step's
//! grants. The way of a request: `target.rs` (how a URL may be spelled), `allow.rs` (is it granted),
//! `connect.rs` (resolve, check every address by `address.rs`, connect to one of these), `headers.rs`,
//! `exchange.rs` (send, read, follow).

mod address;
mod allow;
mod connect;
mod exchange;
mod figures;
mod headers;
mod outbound;
mod pool;
mod secrets;
mod target;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use millstream_engine::{HttpGrant, Network, Origin, Outbound};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use allow::Allowed;
use connect::{Connector, System};
use exchange::Exchanger;
use outbound::StepOutbound;
pub use secrets::Secrets;

/// Threads that wait for the sockets of all steps.
const THREADS: usize = 2;
/// Names that are looked up at the same time; the system's lookup blocks a thread.
const LOOKUPS: usize = 16;
/// Requests to one server at the same time, of all steps of this process.
const REQUESTS_PER_HOST: usize = 16;

/// Requests cannot be sent from this machine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EgressError {
    /// The threads that wait for sockets could not be started.
    #[error("the threads that send requests of plugins cannot be started: {0}")]
    Threads(std::io::Error),
    /// TLS cannot be set up.
    #[error("TLS for requests of plugins cannot be set up: {0}")]
    Tls(String),
}

/// Sends requests of plugins. It starts with the first step that may send some; its threads end with it and with
/// the last step that uses it.
pub struct Egress {
    secrets: Secrets,
    running: OnceLock<Result<Running, EgressError>>,
    /// By server, whichever step asks.
    slots: Mutex<BTreeMap<Origin, Arc<Semaphore>>>,
}

struct Running {
    threads: Arc<Threads>,
    connector: Arc<Connector>,
}

/// A runtime that may be dropped anywhere.
struct Threads(Option<Runtime>);

impl Threads {
    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it is taken only when it is dropped")
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

impl Running {
    /// Looks names up as the system does and trusts the roots that this machine trusts.
    fn start() -> Result<Self, EgressError> {
        Self::with(Connector::new(Arc::new(System), connect::tls(connect::system_roots())?))
    }

    fn with(connector: Connector) -> Result<Self, EgressError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(LOOKUPS)
            .thread_name("egress")
            .enable_all()
            .build()
            .map_err(EgressError::Threads)?;
        Ok(Self { threads: Arc::new(Threads(Some(runtime))), connector: Arc::new(connector) })
    }
}

impl Egress {
    /// What sends requests with these secrets, where grants name them.
    pub fn new(secrets: Secrets) -> Self {
        Self { secrets, running: OnceLock::new(), slots: Mutex::default() }
    }

    fn slots(&self, origin: &Origin) -> Arc<Semaphore> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Semaphore::new(REQUESTS_PER_HOST));
        Arc::clone(slots.entry(origin.clone()).or_insert_with(new))
    }
}

impl Network for Egress {
    fn outbound(&self, granted: &BTreeMap<Origin, HttpGrant>) -> Result<Arc<dyn Outbound>, String> {
        let allowed = Allowed::new(granted, &self.secrets, |origin| self.slots(origin))?;
        let Running { threads, connector } =
            self.running.get_or_init(Running::start).as_ref().map_err(ToString::to_string)?;
        let exchanger = Exchanger::new(allowed, Arc::clone(connector));
        Ok(Arc::new(StepOutbound::new(Arc::clone(threads), exchanger)))
    }
}
