//! What a failed call shows: its kind, what the plugin did, and where. Where is looked up only for the rows
//! that are blamed, since a batch fails many times before its guilty rows are found.

use wasmtime::{Trap, WasmBacktrace};

use crate::allowance::Overrun;
use crate::calls::{Breach, Calls, bounded};
use crate::limits::{LimitExceeded, size};
use crate::output::Cause;
use crate::symbols::{Frame, Symbols};

/// How wasmtime says that one call to the host carried more data than the output cap; its type is private.
const TOO_MUCH_DATA: &str = "fuel allocated for hostcalls has been exhausted";
/// How Rust's panic messages begin.
const PANICKED: &str = "panicked at ";

/// A call that did not return, or returned what it may not.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) cause: Cause,
    /// What the plugin did, to follow its name; the plugin's own words if it returned `bad-batch`.
    what: String,
    /// Where, innermost first; empty if it returned.
    frames: Vec<Frame>,
    /// True if `what` has the place in it.
    is_placed: bool,
    /// What it said last, if that may explain it.
    last_words: Option<String>,
}

impl Fault {
    /// What the plugin gave as the reason, or what shows in what it returned.
    pub(crate) fn stated(cause: Cause, what: String) -> Self {
        Self { cause, what, frames: Vec::new(), is_placed: false, last_words: None }
    }

    /// What the plugin's `bad-batch` shows, in its own `words`. An interpreter tells so that it got no memory.
    pub(crate) fn of_bad_batch(words: &str, calls: &Calls) -> Self {
        match calls.limiter.refused().filter(|_| is_about_memory(words)) {
            Some(refused) => {
                let what = format!("{refused}; it says `{}`", bounded(words));
                Self::stated(Cause::Memory, what)
            }
            None => Self::stated(Cause::BadBatch, bounded(words).to_owned()),
        }
    }

    /// What `error` shows, if the plugin had a stack of `stack_bytes` and `calls` is the host's side of the call.
    pub(crate) fn of_call(error: &wasmtime::Error, stack_bytes: usize, calls: &Calls) -> Self {
        let last_words = calls.last_words();
        let (cause, what) = match (explain(error, stack_bytes), calls.limiter.refused()) {
            ((Cause::Trap, _), Some(refused)) if gives_up(error, last_words) => {
                (Cause::Memory, refused.to_string())
            }
            (explained, _) => explained,
        };
        let may_explain = |_: &&str| matches!(cause, Cause::Trap | Cause::Memory);
        let last_words = last_words.filter(may_explain).map(|words| words.replace(":\n", ": "));
        let backtrace = error.downcast_ref::<WasmBacktrace>();
        let frames = backtrace.map(|backtrace| backtrace.frames().iter().map(Frame::from).collect());
        let frames = frames.unwrap_or_default();
        match last_words {
            // The message has its place in it.
            Some(panic) if panic.starts_with(PANICKED) && cause == Cause::Trap => {
                Self { cause, what: panic, frames, is_placed: true, last_words: None }
            }
            last_words => Self { cause, what, frames, is_placed: false, last_words },
        }
    }

    /// What the plugin did, to follow its name, with the place in its source if there are `symbols`.
    pub(crate) fn what(&self, symbols: Option<&Symbols>) -> String {
        let mut what = self.what.clone();
        let symbols = symbols.filter(|_| !self.is_placed);
        if let Some(place) = symbols.and_then(|symbols| symbols.place(&self.frames)) {
            what += &format!(" at {place}");
        }
        if let Some(words) = &self.last_words {
            what += &format!("; it logged `{words}`");
        }
        what
    }

    /// The calls that it was in, innermost first, as far as `symbols` name them.
    pub(crate) fn stack(&self, symbols: &Symbols) -> Vec<String> {
        symbols.stack(&self.frames)
    }

    /// The reason for people: what `plugin` did, as in [`Fault::what`], or what it says.
    pub(crate) fn reason(&self, plugin: &str, symbols: Option<&Symbols>) -> String {
        match self.cause {
            Cause::BadBatch => self.what.clone(),
            _ => bounded(&format!("plugin `{plugin}` {}", self.what(symbols))).to_owned(),
        }
    }
}

/// Why a call was ended that got too little CPU time, which is no fault of the plugin; none for other ends.
pub(crate) fn starved(error: &wasmtime::Error) -> Option<String> {
    match error.downcast_ref::<Overrun>() {
        Some(overrun @ Overrun::Starved { .. }) => Some(overrun.to_string()),
        _ => None,
    }
}

/// True if a plugin that was refused memory ended for want of it, by `error` and the last that it logged: an
/// allocator that got none aborts. A panic says itself what it is about, and so does the host.
fn gives_up(error: &wasmtime::Error, last_words: Option<&str>) -> bool {
    let is_of_host = error.downcast_ref::<Breach>().is_some();
    !is_of_host && last_words.is_none_or(|words| !words.starts_with(PANICKED) || is_about_memory(words))
}

fn is_about_memory(words: &str) -> bool {
    words.to_ascii_lowercase().contains("memory")
}

/// Kind of a failure, and what the plugin did.
fn explain(error: &wasmtime::Error, stack_bytes: usize) -> (Cause, String) {
    if let Some(exceeded) = error.downcast_ref::<LimitExceeded>() {
        return (Cause::Memory, exceeded.to_string());
    }
    if let Some(overrun) = error.downcast_ref::<Overrun>() {
        return (Cause::Deadline, overrun.to_string());
    }
    if let Some(breach) = error.downcast_ref::<Breach>() {
        let cause = match breach {
            Breach::OutputCap(_) => Cause::OutputCap,
            Breach::HostCalls(_) => Cause::HostCalls,
            Breach::Contract(_) => Cause::Trap,
        };
        return (cause, breach.to_string());
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => (Cause::Stack, format!("needs more stack than {}", size(stack_bytes))),
        Some(Trap::UnreachableCodeReached) => (Cause::Trap, "trapped: unreachable".to_owned()),
        Some(trap) => {
            (Cause::Trap, format!("trapped: {}", trap.to_string().trim_start_matches("wasm trap: ")))
        }
        None => {
            let root = error.root_cause().to_string();
            match root.contains(TOO_MUCH_DATA) {
                true => (Cause::OutputCap, "passes more than its output cap in one call".to_owned()),
                false => (Cause::Trap, format!("failed: {}", bounded(&root))),
            }
        }
    }
}
