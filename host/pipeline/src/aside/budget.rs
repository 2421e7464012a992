//! The share of a step's rows that it is blamed for, over a sliding window. All threads count into a few
//! buckets of atomics; a bucket begins anew when its time comes round again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config::ErrorBudget;

/// Parts of the window.
const BUCKETS: u64 = 6;

/// What a step has spent of its budget.
#[derive(Debug)]
pub(super) struct Spent {
    budget: ErrorBudget,
    begun: Instant,
    buckets: [Bucket; BUCKETS as usize],
}

#[derive(Debug, Default)]
struct Bucket {
    /// Number of the part of time that it counts, from 1.
    turn: AtomicU64,
    rows: AtomicU64,
    blamed: AtomicU64,
}

impl Spent {
    /// Nothing is spent at `now`.
    pub(super) fn new(budget: ErrorBudget, now: Instant) -> Self {
        Self { budget, begun: now, buckets: Default::default() }
    }

    /// Counts rows that the step took at `now`, and those of them that it is blamed for. Says so if that is
    /// more than the budget allows.
    pub(super) fn count(&self, rows: u64, blamed: u64, now: Instant) -> Option<String> {
        let turn = self.turn(now);
        let bucket = &self.buckets[(turn % BUCKETS) as usize];
        let before = bucket.turn.load(Ordering::Acquire);
        // What another thread counts between the exchange and the zeros is lost: a batch in a window.
        if before != turn
            && bucket.turn.compare_exchange(before, turn, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        {
            bucket.rows.store(0, Ordering::Relaxed);
            bucket.blamed.store(0, Ordering::Relaxed);
        }
        bucket.rows.fetch_add(rows, Ordering::Relaxed);
        bucket.blamed.fetch_add(blamed, Ordering::Relaxed);
        if blamed == 0 { None } else { self.exceeded(turn) }
    }

    /// Forgets what was counted.
    pub(super) fn clear(&self) {
        self.buckets.iter().for_each(|bucket| bucket.turn.store(0, Ordering::Release));
    }

    fn turn(&self, now: Instant) -> u64 {
        let part = self.budget.window / BUCKETS as u32;
        let elapsed = now.saturating_duration_since(self.begun);
        // The first turn is far enough from 0 for buckets that were never used to be old.
        BUCKETS + u64::try_from(elapsed.as_nanos() / part.as_nanos().max(1)).unwrap_or(u64::MAX >> 1)
    }

    fn exceeded(&self, turn: u64) -> Option<String> {
        let current = |bucket: &&Bucket| bucket.turn.load(Ordering::Acquire) + BUCKETS > turn;
        let sum = |of: fn(&Bucket) -> &AtomicU64| -> u64 {
            self.buckets.iter().filter(current).map(|bucket| of(bucket).load(Ordering::Relaxed)).sum()
        };
        let (rows, blamed) = (sum(|bucket| &bucket.rows), sum(|bucket| &bucket.blamed));
        let ErrorBudget { share, window, rows_min } = &self.budget;
        (rows >= *rows_min && blamed as f64 > share * rows as f64).then(|| {
            format!(
                "{blamed} of {rows} rows failed within {}, and error_budget.share is {share}",
                seconds(*window)
            )
        })
    }
}

fn seconds(window: Duration) -> String {
    format!("{} s", window.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_the_window() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let spent = Spent::new(ErrorBudget::default(), start);
        let check = |second, rows, blamed, expect: Option<&str>| {
            let exceeded = spent.count(rows, blamed, at(second));
            assert_eq!(exceeded.as_deref(), expect, "at {second} s");
        };
        check(0, 999, 999, None);
        check(1, 8991, 0, None);
        check(2, 10, 1, None);
        check(3, 0, 1, Some("1001 of 10000 rows failed within 60 s, and error_budget.share is 0.1"));
        // The first ten seconds are out of the window.
        check(61, 1000, 100, None);
        check(62, 1, 1, Some("101 of 1001 rows failed within 60 s, and error_budget.share is 0.1"));
        check(200, 900, 900, None);
        check(201, 100, 1, Some("901 of 1000 rows failed within 60 s, and error_budget.share is 0.1"));
        spent.clear();
        check(201, 500, 500, None);
    }
}
