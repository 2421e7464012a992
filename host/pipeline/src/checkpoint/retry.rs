//! How long and how often the store is asked again: exponential, with jitter, bounded.

use std::time::Duration;

use object_store::Error;

use super::random;

/// Patience with a store.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Requests before giving up, the first included.
    pub attempts: u32,
    /// Longest wait before the second request; it doubles with each further one.
    pub first_delay: Duration,
    /// Longest wait before any request.
    pub delay_max: Duration,
    /// How long one request may take before its outcome counts as unknown.
    pub request_timeout: Duration,
}

impl Default for RetryPolicy {
    /// About a minute in all.
    fn default() -> Self {
        Self {
            attempts: 12,
            first_delay: Duration::from_millis(100),
            delay_max: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// The wait after failure number `failures`, from 1: half of it fixed, half random.
    pub(super) fn delay(&self, failures: u32) -> Duration {
        let doubled = self.first_delay.saturating_mul(1 << failures.saturating_sub(1).min(16));
        let longest = doubled.min(self.delay_max);
        longest.mul_f64(0.5 + random::fraction() / 2.0)
    }
}

/// True for errors that asking again cannot mend.
pub(super) fn is_permanent(error: &Error) -> bool {
    matches!(
        error,
        Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::NotImplemented { .. }
            | Error::NotSupported { .. }
            | Error::InvalidPath { .. }
            | Error::UnknownConfigurationKey { .. }
    )
}
