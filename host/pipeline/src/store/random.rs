//! Numbers that nobody else draws, for names and jitter. Not for secrets.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that differs from call to call and, since the operating system seeds the standard
/// library's hash keys, from process to process.
pub(crate) fn number() -> u64 {
    static DRAWN: AtomicU64 = AtomicU64::new(0);
    RandomState::new().hash_one(DRAWN.fetch_add(1, Ordering::Relaxed))
}

/// A fraction in `[0, 1)`.
pub(super) fn fraction() -> f64 {
    (number() >> 11) as f64 / (1u64 << 53) as f64
}
