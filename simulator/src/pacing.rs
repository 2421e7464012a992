//! When to send: an even rate without drift. Pure arithmetic on instants; it neither sleeps nor sends.

use std::time::Duration;

use tokio::time::Instant;

/// After a stall at most this much is made up for at once; what lies further back is forgotten.
const CATCH_UP_MAX: Duration = Duration::from_secs(1);

/// Message n is due at start + n / rate, whenever the ones before it were really sent: so no drift.
#[derive(Debug)]
pub struct Pacer {
    start: Instant,
    rate: f64,
}

impl Pacer {
    /// `rate` in messages per second, finite and above 0. The first message is due at `start`.
    pub fn new(start: Instant, rate: f64) -> Self {
        Self { start, rate }
    }

    /// How many messages should have been sent by `now`, of which `sent` were.
    pub fn due(&mut self, now: Instant, sent: u64) -> u64 {
        let late = now.saturating_duration_since(self.due_at(sent));
        self.start += late.saturating_sub(CATCH_UP_MAX);
        (now.saturating_duration_since(self.start).as_secs_f64() * self.rate) as u64 + 1
    }

    /// When message `sequence`, counted from 0, is due.
    pub fn due_at(&self, sequence: u64) -> Instant {
        self.start + Duration::from_secs_f64((sequence as f64 / self.rate).min(1e9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_message_is_due_at_n_by_the_rate_however_late_the_others_were() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start, 100.0);
        let mut check = |ms: u64, sent: u64, expect: u64| {
            assert_eq!(
                pacer.due(start + Duration::from_millis(ms), sent),
                expect,
                "at {ms} ms with {sent} sent"
            );
        };
        check(0, 0, 1);
        check(9, 1, 1);
        check(15, 1, 2);
        check(995, 60, 100);
        check(1_000_005, 99_999, 100_001);
    }

    #[test]
    fn a_long_stall_is_not_made_up_for_by_a_flood() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start, 100.0);
        let due = pacer.due(start + Duration::from_secs(3600), 10);
        assert!((110..=112).contains(&due), "{due}");
    }

    #[test]
    fn slow_rates_wait_long() {
        let start = Instant::now();
        assert_eq!(Pacer::new(start, 0.5).due_at(3), start + Duration::from_secs(6));
    }
}
