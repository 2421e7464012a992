//! When to send: an even rate, the feed's own times, or at once. Pure arithmetic on instants; it neither
//! sleeps nor sends.

use std::time::Duration;

use tokio::time::Instant;

/// After a stall at most this much is made up for at once; what lies further back is forgotten.
const CATCH_UP_MAX: Duration = Duration::from_secs(1);

/// What decides when a message is due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Messages per second, finite and above 0.
    Rate(f64),
    /// The feed's own times.
    Feed,
    /// Nothing: as fast as the target takes them.
    Free,
}

/// The due times of one run. They do not depend on when the messages before were really sent, so there is
/// no drift.
#[derive(Debug)]
pub struct Pacer {
    start: Instant,
    pace: Pace,
}

impl Pacer {
    /// The first message is due at `start`.
    pub fn new(start: Instant, pace: Pace) -> Self {
        Self { start, pace }
    }

    /// When message `sequence`, counted from 0, is due, which the feed wants sent at `in_feed`.
    pub fn due_at(&self, sequence: u64, in_feed: Duration) -> Instant {
        match self.pace {
            Pace::Rate(rate) => self.start + Duration::from_secs_f64((sequence as f64 / rate).min(1e9)),
            Pace::Feed => self.start + in_feed,
            Pace::Free => self.start,
        }
    }

    /// Moves the due times so that the message that was `due` is not late by more than a second at `now`.
    pub fn forgive(&mut self, due: Instant, now: Instant) {
        self.start += now.saturating_duration_since(due).saturating_sub(CATCH_UP_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_due_by_the_rate_by_its_own_time_or_at_once() {
        let start = Instant::now();
        let in_feed = Duration::from_millis(70);
        let check = |pace, sequence, expect_ms| {
            let due = Pacer::new(start, pace).due_at(sequence, in_feed);
            assert_eq!(due, start + Duration::from_millis(expect_ms), "{pace:?}, message {sequence}");
        };
        check(Pace::Rate(100.0), 0, 0);
        check(Pace::Rate(100.0), 99, 990);
        check(Pace::Rate(0.5), 3, 6_000);
        check(Pace::Feed, 3, 70);
        check(Pace::Free, 3, 0);
    }

    #[test]
    fn a_long_stall_is_not_made_up_for_by_a_flood() {
        let start = Instant::now();
        let hour = start + Duration::from_secs(3600);
        let mut pacer = Pacer::new(start, Pace::Rate(100.0));
        pacer.forgive(pacer.due_at(10, Duration::ZERO), hour);
        let due_by_now = (10..).take_while(|&n| pacer.due_at(n, Duration::ZERO) <= hour).count();
        assert!((100..=101).contains(&due_by_now), "{due_by_now}");
        let due = pacer.due_at(10, Duration::ZERO);
        pacer.forgive(due, due + Duration::from_millis(900));
        assert_eq!(pacer.due_at(10, Duration::ZERO), due, "a short stall is made up for");
    }
}
