//! Hears what plugins log on this thread, at every level, and keeps it from going where logs go.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber, dispatcher};

/// A line that a plugin logged.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    pub(super) level: String,
    pub(super) message: String,
}

/// Does `work`; gives what it made and what plugins logged meanwhile on this thread.
pub(super) fn hear<T>(work: impl FnOnce() -> T) -> (T, Vec<Line>) {
    let lines: Arc<Mutex<Vec<Line>>> = Arc::default();
    let made = dispatcher::with_default(&Dispatch::new(Ear(lines.clone())), work);
    let lines = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
    (made, lines)
}

struct Ear(Arc<Mutex<Vec<Line>>>);

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "millstream::plugin"
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line { level: event.metadata().level().to_string(), message: String::new() };
        event.record(&mut Message(&mut line.message));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Takes the text of a line.
struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            *self.0 = format!("{value:?}");
        }
    }
}
