//! The wasmtime engine with the settings that were measured to pay, its linker and its epoch ticker. It
//! knows nothing of plugins' plans or of batches.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use millstream_model::Digest;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::bindings::{batches, clock, http, log, lookup, metrics, state, timers, types};
use crate::cache::{CacheError, CompiledCache};
use crate::calls::Calls;
use crate::functions::FunctionStore;
use crate::limits::{STACK_BYTES, TABLE_ELEMENTS};
use crate::outbound::Network;
use crate::stacks::Stacks;

/// Numbers of instances that the pool is tried with; a machine with little address space gets fewer.
const POOL_SIZES: [u32; 3] = [512, 128, 32];

/// How the engine runs.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Folder for compiled plugins, by digest, and for compiled functions of interpreters; none by default. It is
    /// created with mode 0700; an existing one must be private to the user, since what it holds is run as native
    /// code.
    pub cache_dir: Option<PathBuf>,
    /// Resolution of deadlines; 10 ms by default.
    pub epoch_tick: Duration,
    /// Wall time for making an instance: start function, `describe` and `configure`; 10 s by default.
    pub start_deadline: Duration,
    /// Largest plugin that is read, in bytes; 128 MiB by default.
    pub plugin_bytes_max: usize,
    /// Who sends the requests of plugins that may send some; nobody by default, and then such a plugin is
    /// refused.
    pub network: Option<Arc<dyn Network>>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            cache_dir: None,
            epoch_tick: Duration::from_millis(10),
            start_deadline: Duration::from_secs(10),
            plugin_bytes_max: 128 << 20,
            network: None,
        }
    }
}

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refused the settings on this machine.
    #[error("the WebAssembly engine cannot run on this machine: {0}")]
    Wasmtime(String),
    /// The ticker thread could not be started.
    #[error("the thread that watches deadlines cannot be started: {0}")]
    Ticker(std::io::Error),
    /// The folder for compiled plugins cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Compiles and runs plugins. Cheap to clone; the thread that watches deadlines ends with the last clone
/// and the last plugin of it.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<Calls>,
    pub(crate) cache: Option<CompiledCache>,
    pub(crate) stacks: Stacks,
    pub(crate) settings: EngineSettings,
    /// Dropped to end the ticker, which is kept to be joined.
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl Engine {
    /// Makes an engine and starts its ticker.
    pub fn new(settings: EngineSettings) -> Result<Self, EngineError> {
        // Looking functions up is not free, so only who keeps what is compiled does it.
        let functions = settings.cache_dir.is_some().then(Arc::<FunctionStore>::default);
        let wasmtime = wasmtime_engine(STACK_BYTES, functions.as_ref()).map_err(EngineError::Wasmtime)?;
        let linker = linker(&wasmtime).map_err(|error| EngineError::Wasmtime(format!("{error:#}")))?;
        let cache = settings.cache_dir.as_deref().zip(functions);
        let cache =
            cache.map(|(folder, functions)| CompiledCache::open(folder, &wasmtime, functions)).transpose()?;
        let stacks = Stacks::default();
        let ticker = start_ticker(wasmtime.clone(), stacks.clone(), settings.epoch_tick);
        let ticker = Some(ticker.map_err(EngineError::Ticker)?);
        Ok(Self { shared: Arc::new(Shared { wasmtime, linker, cache, stacks, settings, ticker }) })
    }

    /// True if the plugin of this digest lies compiled in the folder for compiled plugins.
    pub fn has_compiled(&self, digest: &Digest) -> bool {
        self.shared.cache.as_ref().is_some_and(|cache| cache.contains(digest))
    }
}

impl Shared {
    /// Ticks that cover at least `duration`.
    pub(crate) fn ticks(&self, duration: Duration) -> u64 {
        let tick = self.settings.epoch_tick.as_nanos().max(1);
        let ticks = duration.as_nanos().div_ceil(tick) + 1;
        u64::try_from(ticks).unwrap_or(u64::MAX >> 1).min(u64::MAX >> 1)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.ticker.take() {
            drop(stop);
            // A ticker that panicked has nothing left to end.
            let _ = thread.join();
        }
    }
}

fn start_ticker(
    engine: wasmtime::Engine,
    stacks: Stacks,
    tick: Duration,
) -> Result<(Sender<()>, JoinHandle<()>), std::io::Error> {
    let (stop, stopped) = mpsc::channel();
    let thread = thread::Builder::new().name("plugin-deadlines".to_owned()).spawn(move || {
        while stopped.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
            engine.increment_epoch();
            stacks.increment_epoch();
        }
    })?;
    Ok((stop, thread))
}

/// An engine whose calls have a stack of `stack_bytes`: with a pool of instances where the address space
/// allows one, else instances on demand. Compiled functions are looked up in `functions`. The error is wasmtime's.
pub(crate) fn wasmtime_engine(
    stack_bytes: usize,
    functions: Option<&Arc<FunctionStore>>,
) -> Result<wasmtime::Engine, String> {
    let config = || config(stack_bytes, functions);
    for instances in POOL_SIZES {
        match wasmtime::Engine::new(config().allocation_strategy(pool(instances))) {
            Ok(engine) => return Ok(engine),
            Err(error) => tracing::debug!(instances, %error, "no room for a pool of plugin instances"),
        }
    }
    tracing::warn!("no room for a pool of plugin instances: they are made on demand, which is slower");
    wasmtime::Engine::new(config().allocation_strategy(InstanceAllocationStrategy::OnDemand))
        .map_err(|error| format!("{error:#}"))
}

fn config(stack_bytes: usize, functions: Option<&Arc<FunctionStore>>) -> Config {
    let mut config = Config::new();
    config.concurrency_support(false).epoch_interruption(true).parallel_compilation(true);
    config.max_wasm_stack(stack_bytes);
    if let Some(functions) = functions {
        config
            .enable_incremental_compilation(Arc::clone(functions) as _)
            .expect("only the compiler that this crate is built with can refuse, and it takes a store");
    }
    config
}

/// A component that wit-component made of one module has three core instances, a memory and two tables; one
/// that was linked from libraries, as componentize-py does, has some dozens of core instances.
fn pool(instances: u32) -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances * 4)
        .total_memories(instances)
        .total_tables(instances * 2)
        .table_elements(TABLE_ELEMENTS);
    InstanceAllocationStrategy::Pooling(pool)
}

/// The host functions that plugins are linked with.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Calls>> {
    let mut linker = Linker::new(engine);
    types::add_to_linker::<_, HasSelf<_>>(&mut linker, |calls: &mut Calls| calls)?;
    batches::add_to_linker::<_, HasSelf<_>>(&mut linker, |calls: &mut Calls| calls)?;
    log::add_to_linker::<_, HasSelf<_>>(&mut linker, |calls: &mut Calls| calls)?;
    metrics::add_to_linker::<_, HasSelf<_>>(&mut linker, |calls: &mut Calls| calls)?;
    lookup::add_to_linker::<_, HasSelf<_>>(&mut linker, |calls: &mut Calls| calls)?;
    http::add_to_linker::<_, HasSelf<_>>(&mut linker, |calls: &mut Calls| calls)?;
    clock::add_to_linker::<_, HasSelf<_>>(&mut linker, |calls: &mut Calls| calls)?;
    state::add_to_linker::<_, HasSelf<_>>(&mut linker, |calls: &mut Calls| calls)?;
    timers::add_to_linker::<_, HasSelf<_>>(&mut linker, |calls: &mut Calls| calls)?;
    Ok(linker)
}
