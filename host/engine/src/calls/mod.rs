//! The host's side of a call: what a plugin reads of the batch in hand, and what it stages. Everything
//! staged lies in [`Staged`] until the call has returned ok; a breach of the contract traps the guest
//! with a message.

mod batch;
mod builder;
mod http;
mod lookup;
mod state;
mod telemetry;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::BooleanBuffer;

use crate::allowance::{Allowance, Watch};
use crate::limits::{Limits, MemoryLimiter, size};
use crate::outbound::Outbound;
use crate::plan::StepPlan;
use crate::state::Changes;
pub use batch::Batch;
pub use builder::Builder;
pub(crate) use builder::Emitted;
pub use lookup::Table;
pub use state::Store;
pub(crate) use state::Task;
pub(crate) use telemetry::LogGate;
pub use telemetry::Metric;

/// Longest reason or error text of a plugin that is kept, in bytes.
const REASON_BYTES: usize = 256;

/// A call that the contract does not allow, or that is one too many.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Breach {
    #[error("{0}")]
    Contract(String),
    #[error("stages more than {} in one call", size(*.0))]
    OutputCap(usize),
    #[error("calls the host more than {0} times in one call")]
    HostCalls(u64),
}

impl Breach {
    /// The trap for a call that the contract does not allow.
    pub(crate) fn contract(message: String) -> wasmtime::Error {
        wasmtime::Error::new(Self::Contract(message))
    }
}

/// Effects of one call, not yet in force.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    /// One for each of the plan's writes.
    pub(crate) writes: Vec<Option<ArrayRef>>,
    pub(crate) keep: Option<BooleanBuffer>,
    pub(crate) rejects: Vec<(Vec<u32>, Arc<str>)>,
    pub(crate) emitted: Vec<Emitted>,
    /// By number of the metric's name.
    pub(crate) counters: HashMap<u32, u64>,
    pub(crate) gauges: HashMap<u32, f64>,
    pub(crate) changes: Changes,
    bytes: usize,
}

impl Staged {
    /// What counts against the output cap, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What a call works on.
#[derive(Debug)]
pub(crate) enum Work {
    /// Rows of one input.
    Rows(RecordBatch),
    /// So many timers of one move of the watermark.
    Timers(usize),
}

/// The work in hand and the plan that says what may be done with it.
#[derive(Debug)]
struct InHand {
    plan: Arc<StepPlan>,
    work: Work,
}

/// Data of a store: everything the host functions work on.
pub(crate) struct Calls {
    pub(crate) limiter: MemoryLimiter,
    plugin: Arc<str>,
    output_bytes: usize,
    /// How often one call may call the host, and how often this one has.
    host_calls_max: u64,
    host_calls: u64,
    /// How long this call may go on.
    watch: Watch,
    /// The last error that this call logged, cut to [`REASON_BYTES`].
    last_words: Option<String>,
    in_hand: Option<InHand>,
    /// Whose state the plugin works on; none for plugins without.
    pub(crate) task: Option<Task>,
    staged: Staged,
    builders: HashMap<u32, builder::Rows>,
    next_builder: u32,
    metric_names: Vec<Arc<str>>,
    logs: Arc<LogGate>,
    /// Who sends its requests; none if it may send none.
    pub(crate) outbound: Option<Arc<dyn Outbound>>,
    /// Until when the call in hand may wait for answers.
    until: Option<Instant>,
}

impl Calls {
    pub(crate) fn new(plugin: &Arc<str>, limits: &Limits, logs: &Arc<LogGate>) -> Self {
        Self {
            limiter: MemoryLimiter::new(limits.memory_bytes),
            plugin: Arc::clone(plugin),
            output_bytes: limits.output_bytes,
            host_calls_max: limits.host_calls,
            host_calls: 0,
            watch: Watch::start(Allowance::Wall(Duration::ZERO)),
            last_words: None,
            in_hand: None,
            task: None,
            staged: Staged::default(),
            builders: HashMap::new(),
            next_builder: 0,
            metric_names: Vec::new(),
            logs: Arc::clone(logs),
            outbound: None,
            until: None,
        }
    }

    /// A call begins that may go on for so long.
    pub(crate) fn allow(&mut self, allowance: Allowance) {
        self.host_calls = 0;
        self.last_words = None;
        self.limiter.begin();
        self.watch = Watch::start(allowance);
    }

    /// The watch over the call.
    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// How often the last call called the host.
    pub(crate) fn host_calls(&self) -> u64 {
        self.host_calls
    }

    /// The last error that the call logged.
    pub(crate) fn last_words(&self) -> Option<&str> {
        self.last_words.as_deref()
    }

    /// Puts work under the plugin's hands; its requests may be waited for until `until`.
    pub(crate) fn begin(&mut self, plan: &Arc<StepPlan>, work: Work, until: Instant) {
        self.until = Some(until);
        self.staged = Staged { writes: vec![None; plan.writes.len()], ..Staged::default() };
        self.in_hand = Some(InHand { plan: Arc::clone(plan), work });
    }

    /// Takes the work away and hands out what was staged.
    pub(crate) fn end(&mut self) -> Staged {
        self.in_hand = None;
        self.builders.clear();
        std::mem::take(&mut self.staged)
    }

    /// Name of a metric by its number.
    pub(crate) fn metric_name(&self, number: u32) -> Option<&Arc<str>> {
        self.metric_names.get(number as usize)
    }

    fn in_hand(&self) -> wasmtime::Result<&InHand> {
        self.in_hand
            .as_ref()
            .ok_or_else(|| Breach::contract("works on a batch outside a call to process".to_owned()))
    }

    /// The batch in hand and its plan.
    fn batch_in_hand(&self) -> wasmtime::Result<(&Arc<StepPlan>, &RecordBatch)> {
        match self.in_hand()? {
            InHand { plan, work: Work::Rows(batch) } => Ok((plan, batch)),
            InHand { work: Work::Timers(_), .. } => {
                Err(Breach::contract("works on a batch in a call to fire".to_owned()))
            }
        }
    }

    /// What may still be counted against the output cap, in bytes.
    fn room(&self) -> usize {
        self.output_bytes.saturating_sub(self.staged.bytes)
    }

    /// Counts one call to the host. Every host function begins with it.
    fn count(&mut self) -> wasmtime::Result<()> {
        self.host_calls += 1;
        match self.host_calls <= self.host_calls_max {
            true => Ok(()),
            false => Err(wasmtime::Error::new(Breach::HostCalls(self.host_calls_max))),
        }
    }

    /// Counts `bytes` against the output cap.
    fn charge(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.staged.bytes = self.staged.bytes.saturating_add(bytes);
        match self.staged.bytes <= self.output_bytes {
            true => Ok(()),
            false => Err(wasmtime::Error::new(Breach::OutputCap(self.output_bytes))),
        }
    }
}

/// Cuts a plugin's text to [`REASON_BYTES`].
pub(crate) fn bounded(text: &str) -> &str {
    cut(text, REASON_BYTES)
}

/// Cuts `text` to at most `bytes`, between characters.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

impl crate::bindings::types::Host for Calls {}
