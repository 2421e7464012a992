//! What a store answered, counted: atomics and one histogram for each operation. Who asked, and for what, is
//! not known here but for the names of objects whose last request failed, so that repetitions can be counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use object_store::Error;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Operation, in_short, may_pass};
use crate::telemetry::Distribution;

/// Requests that failed and are remembered until they are repeated.
const FAILED_MAX: usize = 1024;

/// A store that has done nothing it was asked for so long is said to be silent.
pub const SILENCE: Duration = Duration::from_secs(30);

/// What a store answered to this process.
#[derive(Debug, Default)]
pub struct StoreFigures {
    answers: [[AtomicU64; Answer::ALL.len()]; Operation::ALL.len()],
    retries: AtomicU64,
    seconds: [Mutex<Distribution>; Operation::ALL.len()],
    silence: Mutex<Silence>,
    failed: Mutex<BTreeSet<(Operation, String)>>,
}

/// Since when the store has done nothing that it was asked for.
#[derive(Debug, Default)]
struct Silence {
    pending: usize,
    since: Option<Instant>,
    last_failure: Option<String>,
}

/// What a store answered to this process, as one value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// Requests by operation and answer, those that are zero left out.
    pub requests: BTreeMap<String, BTreeMap<String, u64>>,
    /// Requests that repeated one that had failed.
    pub retries: u64,
    /// Requests that the store refused because there were too many.
    pub throttled: u64,
    /// For how long the store has done nothing that it was asked for; none if nothing is asked.
    pub silent_seconds: Option<f64>,
    /// The last failure of an ongoing silence.
    pub last_failure: Option<String>,
}

/// A request on its way. Dropped unanswered, it was given up by who asked.
#[derive(Debug)]
pub struct Request<'a> {
    figures: &'a StoreFigures,
    operation: Operation,
    began: Instant,
}

impl StoreFigures {
    /// A request sets off; `path` is what it is about.
    pub fn begin(&self, operation: Operation, path: &str) -> Request<'_> {
        let mut failed = lock(&self.failed);
        if !failed.is_empty() && failed.remove(&(operation, path.to_owned())) {
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
        drop(failed);
        let mut silence = lock(&self.silence);
        silence.pending += 1;
        silence.since.get_or_insert_with(Instant::now);
        Request { figures: self, operation, began: Instant::now() }
    }

    /// A request, or what was left of an answer that had begun, came to this end.
    pub fn answered(&self, operation: Operation, path: &str, error: Option<&Error>) {
        let answer = error.map_or(Answer::Done, Answer::of);
        self.answers[operation as usize][answer as usize].fetch_add(1, Ordering::Relaxed);
        let mut silence = lock(&self.silence);
        match error.filter(|error| !answer.is_served() && may_pass(error)) {
            Some(error) => {
                silence.last_failure = Some(in_short(error));
                let mut failed = lock(&self.failed);
                if failed.len() < FAILED_MAX {
                    failed.insert((operation, path.to_owned()));
                }
            }
            // An answer that stands, if not the one hoped for: nobody waits for another.
            None => {
                silence.since = (silence.pending > 1).then(Instant::now);
                silence.last_failure = None;
            }
        }
    }

    /// For how long the store has done nothing that it was asked for.
    pub fn silent_for(&self) -> Option<Duration> {
        lock(&self.silence).since.map(|since| since.elapsed())
    }

    /// A sentence about a store that has been silent for [`SILENCE`] or longer.
    pub fn trouble(&self) -> Option<String> {
        self.trouble_after(SILENCE)
    }

    pub(super) fn trouble_after(&self, silence: Duration) -> Option<String> {
        let known = lock(&self.silence);
        let seconds = known.since.map(|since| since.elapsed()).filter(|silent| *silent >= silence)?.as_secs();
        let cause = known.last_failure.as_ref().map(|failure| format!(" ({failure})")).unwrap_or_default();
        Some(format!("the lake's store has done nothing for {seconds} s{cause}"))
    }

    /// Requests of this operation that were answered so.
    pub fn requests(&self, operation: Operation, answer: Answer) -> u64 {
        self.answers[operation as usize][answer as usize].load(Ordering::Relaxed)
    }

    /// Requests that repeated one that had failed.
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Looks at how long requests of this operation took until they were answered.
    pub fn with_durations<T>(&self, operation: Operation, look: impl FnOnce(&Distribution) -> T) -> T {
        look(&lock(&self.seconds[operation as usize]))
    }

    /// All of it now.
    pub fn status(&self) -> StoreStatus {
        let of_operation = |operation: Operation| {
            let answers =
                Answer::ALL.map(|answer| (answer.name().to_owned(), self.requests(operation, answer)));
            let answers: BTreeMap<_, _> = answers.into_iter().filter(|(_, requests)| *requests > 0).collect();
            (operation.name().to_owned(), answers)
        };
        let requests =
            Operation::ALL.map(of_operation).into_iter().filter(|(_, answers)| !answers.is_empty());
        StoreStatus {
            requests: requests.collect(),
            retries: self.retries(),
            throttled: Operation::ALL
                .map(|operation| self.requests(operation, Answer::Throttled))
                .iter()
                .sum(),
            silent_seconds: self.silent_for().map(|silent| silent.as_secs_f64()),
            last_failure: lock(&self.silence).last_failure.clone(),
        }
    }
}

impl Request<'_> {
    /// The request, about `path`, was answered.
    pub fn end(self, path: &str, error: Option<&Error>) {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        lock(&self.figures.seconds[self.operation as usize]).record(millis, 1);
        self.figures.answered(self.operation, path, error);
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        let mut silence = lock(&self.figures.silence);
        silence.pending -= 1;
        // Whoever gave up without an answer does not ask again.
        if silence.pending == 0 && silence.last_failure.is_none() {
            silence.since = None;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
