//! What one step may use: time, memory, stack, output, calls to the host, log. The limiter enforces the
//! memory part inside the store; the others are enforced where they are spent.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// What a step may use. The default suits a transform of a few thousand rows a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Time of one call; 1 s by default. Where others wait for the call it is wall time, else CPU time of its
    /// thread. One row that runs longer is tried again, alone, with ten times as much before it is blamed.
    pub deadline: Duration,
    /// Linear memory of one instance, in bytes; 64 MiB by default.
    pub memory_bytes: usize,
    /// Stack of a call, in bytes; 512 KiB by default. It is that of the calling thread, so it is rounded
    /// up to one of a few sizes, [`Limits::STACK_BYTES_MAX`] at most. (A guest may keep a second stack for
    /// its variables in its linear memory; that one is part of its memory.)
    pub stack_bytes: usize,
    /// What one call may stage (written columns, emitted rows, reasons), in bytes; 64 MiB by default.
    pub output_bytes: usize,
    /// How often one call may call the host; 1,000,000 by default.
    pub host_calls: u64,
    /// Log lines a second that are passed on; 20 by default.
    pub log_lines_per_second: u32,
    /// Bytes of log a second that are passed on; 16 KiB by default.
    pub log_bytes_per_second: usize,
    /// How often the calls of one batch are tried again after `retry`; 3 by default.
    pub retries: u32,
    /// How many calls of one batch may overrun their deadline before the circuit opens; 32 by default,
    /// which is enough to find two guilty rows among 8192.
    pub overruns_per_batch: u32,
    /// CPU time that may go into finding the guilty rows of one batch before the circuit opens; 60 s
    /// by default.
    pub recovery: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(1),
            memory_bytes: 64 << 20,
            stack_bytes: STACK_BYTES,
            output_bytes: 64 << 20,
            host_calls: 1_000_000,
            log_lines_per_second: 20,
            log_bytes_per_second: 16 << 10,
            retries: 3,
            overruns_per_batch: 32,
            recovery: Duration::from_secs(60),
        }
    }
}

/// Stack of a call if nothing else is asked for.
pub(crate) const STACK_BYTES: usize = 512 << 10;

impl Limits {
    /// Largest stack of a call: half of what Rust gives a thread, the rest being the host's.
    pub const STACK_BYTES_MAX: usize = 1 << 20;
    /// Smallest stack of a call.
    pub const STACK_BYTES_MIN: usize = 64 << 10;

    /// The stack that calls get: the next power of two, so that there are few different ones.
    pub(crate) fn stack_given(&self) -> usize {
        self.stack_bytes.clamp(Self::STACK_BYTES_MIN, Self::STACK_BYTES_MAX).next_power_of_two()
    }

    /// The deadline of a row that is tried alone: ten times the ordinary one, 10 s at most, and never
    /// less than the ordinary one.
    pub(crate) fn lone_row_deadline(&self) -> Duration {
        (self.deadline * 10).min(Duration::from_secs(10)).max(self.deadline)
    }
}

/// A size for people: whole MiB or KiB where it is one, bytes otherwise.
pub(crate) fn size(bytes: usize) -> String {
    match bytes {
        0 => "0 bytes".to_owned(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

/// A duration for people.
pub(crate) fn time(duration: Duration) -> String {
    match duration.as_millis() {
        ms if ms % 1000 == 0 => format!("{} s", ms / 1000),
        ms => format!("{ms} ms"),
    }
}

/// What the limiter refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LimitExceeded {
    #[error("needs more than {}", size(*.0))]
    Memory(usize),
    #[error("needs a table of more than {0} elements")]
    Table(usize),
}

/// Elements of a table: function pointers, of which interpreters compiled to wasm have ten thousands.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;

/// Limits the memories and tables of one store, all together.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    memory_bytes: usize,
    used: usize,
    has_refused: bool,
}

impl MemoryLimiter {
    pub(crate) fn new(memory_bytes: usize) -> Self {
        Self { memory_bytes, used: 0, has_refused: false }
    }

    /// A call begins, of which [`MemoryLimiter::refused`] will tell.
    pub(crate) fn begin(&mut self) {
        self.has_refused = false;
    }

    /// What the call was refused, if it asked for more memory than it may have.
    pub(crate) fn refused(&self) -> Option<LimitExceeded> {
        self.has_refused.then_some(LimitExceeded::Memory(self.memory_bytes))
    }

    /// What the store's memories have, all together; they never shrink.
    pub(crate) fn used(&self) -> usize {
        self.used
    }
}

impl ResourceLimiter for MemoryLimiter {
    /// Refuses as `memory.grow` does rather than by a trap: a collector may free some and go on with what there is.
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.memory_bytes {
            self.has_refused = true;
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            return Err(wasmtime::Error::new(LimitExceeded::Table(TABLE_ELEMENTS)));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        16
    }

    fn memories(&self) -> usize {
        8
    }
}
