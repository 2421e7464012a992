//! What came of a step's requests, by server and outcome. Servers are those of the grants, so their number is
//! bounded whatever a plugin asks for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millstream_engine::{HostFigures, OutboundError, Response};

/// Counts requests.
#[derive(Debug, Default)]
pub(crate) struct Figures(Mutex<BTreeMap<Outcomes, (u64, Duration)>>);

/// A server and what came of requests to it.
type Outcomes = (Arc<str>, &'static str);

impl Figures {
    pub(crate) fn count(&self, host: Arc<str>, answer: &Result<Response, OutboundError>, busy: Duration) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (requests, time) = sums.entry((host, outcome(answer))).or_default();
        *requests += 1;
        *time += busy;
    }

    pub(crate) fn all(&self) -> Vec<HostFigures> {
        let sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |((host, outcome), (requests, busy)): (&(Arc<str>, &'static str), &(u64, Duration))| {
            HostFigures { host: Arc::clone(host), outcome, requests: *requests, busy: *busy }
        };
        sums.iter().map(one).collect()
    }
}

fn outcome(answer: &Result<Response, OutboundError>) -> &'static str {
    match answer {
        Ok(response) => match response.status {
            ..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500.. => "5xx",
        },
        Err(OutboundError::Denied(_)) => "denied",
        Err(OutboundError::Timeout) => "timeout",
        Err(OutboundError::TooLarge) => "too_large",
        Err(OutboundError::Failed(_)) => "failed",
    }
}
