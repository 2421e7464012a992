//! What the user is told: the log of all tests of this process, whichever thread writes it.

use std::fmt::{Debug, Write};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::conformance::PATIENCE;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps lines from level INFO up from now on.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Keeper).expect("the only subscriber"));
}

/// Lines with all of `parts` in them.
pub fn with(parts: &[&str]) -> Vec<String> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().filter(|line| parts.iter().all(|part| line.contains(part))).cloned().collect()
}

/// Waits for a line with all of `parts` in it.
pub fn wait_for(parts: &[&str]) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    while with(parts).is_empty() {
        assert!(Instant::now() < deadline, "no line with {parts:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    with(parts)
}

struct Keeper;

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").expect("a string takes all");
    }
}
