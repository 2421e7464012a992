//! Keeps what a candidate logs from going where logs go: the last lines are kept, all are counted.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber, dispatcher};

use super::report::LOG_LINES_MAX;
use super::values::cut;

/// Lines that were logged.
#[derive(Debug, Default)]
pub(super) struct Lines {
    count: u64,
    last: VecDeque<String>,
}

/// Takes what a thread logs.
#[derive(Clone, Debug)]
pub(super) struct Capture {
    lines: Arc<Mutex<Lines>>,
    /// Made once: each new one makes the whole process ask anew who wants to know what.
    dispatch: Dispatch,
}

/// Where the lines go in.
#[derive(Debug)]
struct Inlet(Arc<Mutex<Lines>>);

impl Capture {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        let lines: Arc<Mutex<Lines>> = Arc::default();
        Self { dispatch: Dispatch::new(Inlet(lines.clone())), lines }
    }

    /// Does `work`; what it logs on this thread is kept here and goes nowhere else.
    pub(super) fn around<T>(&self, work: impl FnOnce() -> T) -> T {
        dispatcher::with_default(&self.dispatch, work)
    }

    /// Lines so far, and the last of them.
    pub(super) fn lines(&self) -> (u64, Vec<String>) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        (lines.count, lines.last.iter().cloned().collect())
    }
}

impl Subscriber for Inlet {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    /// No more than that is asked of all the other threads meanwhile.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.count += 1 + line.suppressed;
        if lines.last.len() == LOG_LINES_MAX {
            lines.last.pop_front();
        }
        lines.last.push_back(format!("{} {}", event.metadata().level(), cut(&line.message)));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// One line as the engine logs it.
#[derive(Default)]
struct Line {
    message: String,
    /// Lines that the engine held back before it.
    suppressed: u64,
}

impl Visit for Line {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "suppressed" {
            self.suppressed = value;
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}
