//! Whether a partition has been silent for so long that others need not wait for it. Moments of the host's
//! monotonic clock enter with what happened at them; nothing here reads the clock.

use std::time::{Duration, Instant};

/// How long a partition has had no event time.
#[derive(Clone, Debug)]
pub struct Silence {
    limit: Duration,
    since: Option<Instant>,
    is_idle: bool,
    is_told: bool,
}

impl Silence {
    /// Of a partition that the log says is idle, or not; it becomes so after `limit`.
    pub fn new(limit: Duration, is_idle: bool) -> Self {
        Self { limit, since: None, is_idle, is_told: is_idle }
    }

    /// True if the others need not wait for the partition.
    pub fn is_idle(&self) -> bool {
        self.is_idle
    }

    /// An event time came.
    pub fn end(&mut self) {
        (self.since, self.is_idle, self.is_told) = (None, false, false);
    }

    /// All messages have been read, and no event time came.
    pub fn lasts(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        self.is_idle |= now.saturating_duration_since(since) >= self.limit;
    }

    /// True if the partition has become idle, and that was not yet taken to the log.
    pub fn take_news(&mut self) -> bool {
        self.is_idle && !std::mem::replace(&mut self.is_told, self.is_idle)
    }
}
