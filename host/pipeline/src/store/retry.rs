//! How long and how often a store is asked again: exponential, with jitter, bounded in number and in time.
//! The clients of the stores repeat nothing by themselves, so that what is allowed here is all there is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt};

use super::answer::{in_short, may_pass};
use super::random;

/// Patience with a store. Whatever the store does, an operation ends after `attempts` requests, and no later
/// than `time_max` and one more request after it began.
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
    /// No request begins later than this after the first one did.
    pub time_max: Duration,
}

impl Default for RetryPolicy {
    /// For a run: waits of 40 to 55 seconds in all where the store refuses at once, three to four minutes
    /// where it lets every request time out.
    fn default() -> Self {
        Self {
            attempts: 12,
            first_delay: Duration::from_millis(100),
            delay_max: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            time_max: Duration::from_secs(180),
        }
    }
}

impl RetryPolicy {
    /// For a first look at a store, where a mistake is likelier than an outage: about a second where the store
    /// refuses at once, and one request that times out (30 s for the clients' own patience) is repeated.
    pub fn brief() -> Self {
        Self { attempts: 5, time_max: Duration::from_secs(35), ..Self::default() }
    }

    /// Begins an operation that may take several requests.
    pub fn begin(&self) -> Attempts {
        Attempts { policy: *self, failures: 0, began: Instant::now() }
    }

    /// The wait after failure number `failures`, from 1: half of it fixed, half random.
    fn delay(&self, failures: u32) -> Duration {
        let doubled = self.first_delay.saturating_mul(1 << failures.saturating_sub(1).min(16));
        let longest = doubled.min(self.delay_max);
        longest.mul_f64(0.5 + random::fraction() / 2.0)
    }
}

/// The requests of one operation so far.
#[derive(Debug)]
pub struct Attempts {
    policy: RetryPolicy,
    failures: u32,
    began: Instant,
}

impl Attempts {
    /// Counts a request that failed with `error`. Gives the wait before the next one, none if there must not
    /// be one: waiting does not mend it, or patience is at its end.
    pub fn failed(&mut self, error: &Error) -> Option<Duration> {
        self.failures += 1;
        let delay = self.policy.delay(self.failures);
        let in_time = self.began.elapsed() + delay <= self.policy.time_max;
        (may_pass(error) && self.failures < self.policy.attempts && in_time).then_some(delay)
    }

    /// As [`Attempts::failed`], and waits; false if there must not be another request.
    pub async fn go_on(&mut self, what: &str, error: &Error) -> bool {
        let Some(delay) = self.failed(error) else { return false };
        tracing::warn!(
            what,
            failures = self.failures,
            ?delay,
            error = %in_short(error),
            "the object store did not confirm; asking again"
        );
        tokio::time::sleep(delay).await;
        true
    }

    /// Requests that failed.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The store did something: patience begins anew.
    pub fn reset(&mut self) {
        *self = self.policy.begin();
    }
}

/// The object at `path`, asked for until it comes, is not there or patience ends.
pub async fn fetch(store: &Arc<dyn ObjectStore>, path: &Path, policy: RetryPolicy) -> Result<Bytes, Error> {
    let mut attempts = policy.begin();
    loop {
        let error = match async { store.get(path).await?.bytes().await }.await {
            Ok(bytes) => return Ok(bytes),
            Err(error) => error,
        };
        if !attempts.go_on(&format!("read `{path}`"), &error).await {
            return Err(error);
        }
    }
}
