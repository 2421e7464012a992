//! Requests of a plugin to servers. They leave during the call, so unlike its other effects they are not
//! undone if it fails. The epoch does not interrupt a host function: the waiting is bounded here, by the time
//! that the call has left, and so is what comes back, by its output cap.

use std::time::Instant;

use super::{Breach, Calls};
use crate::bindings::http::{Host, HttpError, Request, Response};
use crate::outbound::{self, Allowance, OutboundError};

/// Most requests of one call to the host.
const REQUESTS_AT_ONCE: usize = 10_000;
/// What a request or response is charged beside its bytes, so that many small ones are bounded, too.
const OVERHEAD_BYTES: usize = 256;

impl Host for Calls {
    fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, HttpError>> {
        let mut answers = self.send_many(vec![request])?;
        answers.pop().ok_or_else(|| Breach::contract("sent a request that nobody answered".to_owned()))
    }

    fn send_many(&mut self, requests: Vec<Request>) -> wasmtime::Result<Vec<Result<Response, HttpError>>> {
        self.count()?;
        self.batch_in_hand()?;
        if requests.len() > REQUESTS_AT_ONCE {
            let sent = requests.len();
            return Err(Breach::contract(format!(
                "sends {sent} requests at once; at most {REQUESTS_AT_ONCE}"
            )));
        }
        let requests: Vec<_> = requests.into_iter().map(of_guest).collect();
        self.charge(requests.iter().map(request_size).sum())?;
        let Some(outbound) = self.outbound.clone() else {
            return Err(Breach::contract("sends a request, and no server is granted to it".to_owned()));
        };
        let allowance = Allowance { until: self.until.unwrap_or_else(Instant::now), bytes: self.room() };
        let expected = requests.len();
        let answers = outbound.send(requests, allowance);
        debug_assert_eq!(answers.len(), expected, "there is an answer to each request");
        self.charge(answers.iter().map(answer_size).sum())?;
        Ok(answers.into_iter().map(to_guest).collect())
    }
}

fn of_guest(request: Request) -> outbound::Request {
    let Request { method, url, headers, body } = request;
    outbound::Request { method, url, headers, body }
}

fn to_guest(answer: Result<outbound::Response, OutboundError>) -> Result<Response, HttpError> {
    match answer {
        Ok(outbound::Response { status, headers, body }) => Ok(Response { status, headers, body }),
        Err(OutboundError::Denied(reason)) => Err(HttpError::Denied(reason)),
        Err(OutboundError::Timeout) => Err(HttpError::Timeout),
        Err(OutboundError::TooLarge) => Err(HttpError::TooLarge),
        Err(OutboundError::Failed(reason)) => Err(HttpError::Failed(reason)),
    }
}

fn request_size(request: &outbound::Request) -> usize {
    let headers: usize = request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    OVERHEAD_BYTES + request.url.len() + headers + request.body.len()
}

fn answer_size(answer: &Result<outbound::Response, OutboundError>) -> usize {
    OVERHEAD_BYTES + answer.as_ref().map_or(0, outbound::Response::size)
}
