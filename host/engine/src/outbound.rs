//! Requests that plugins send, as the engine sees them: it bounds their time and size and knows nothing of
//! sockets, addresses or credentials. Whoever does is given to the engine as a [`Network`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::grants::{HttpGrant, Origin};

/// A request as a plugin made it: nothing of it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method, as `GET`.
    pub method: String,
    /// Whole URL.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Body; empty if there is none.
    pub body: Vec<u8>,
}

/// What a server answered, as far as a plugin may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status, as 200.
    pub status: u16,
    /// Names in lower case and values, without anything that holds credentials.
    pub headers: Vec<(String, String)>,
    /// The body as it was sent.
    pub body: Vec<u8>,
}

impl Response {
    /// What it takes of a call's allowance, in bytes.
    pub fn size(&self) -> usize {
        self.body.len() + self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    }
}

/// Why there is no response. The plugin sees it, so it says nothing of credentials or of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The grants or the rules of the host forbid it.
    #[error("denied: {0}")]
    Denied(String),
    /// The time of the call was over.
    #[error("not answered in time")]
    Timeout,
    /// The response has more bytes than are taken.
    #[error("the answer is too large")]
    TooLarge,
    /// There was no connection, or it broke.
    #[error("failed: {0}")]
    Failed(String),
}

/// What the requests of one call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// When all must be answered.
    pub until: Instant,
    /// Bytes of all responses together, headers and bodies.
    pub bytes: usize,
}

/// Sends the requests of one step. Several threads use it at the same time.
pub trait Outbound: Send + Sync {
    /// Sends all and waits, until the end of the allowance at most; answers in the order of the requests.
    fn send(&self, requests: Vec<Request>, allowance: Allowance) -> Vec<Result<Response, OutboundError>>;

    /// What came of the requests so far.
    fn figures(&self) -> Vec<HostFigures>;
}

/// Requests to one server with one outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct HostFigures {
    /// The server as its grant names it, or `other` for requests to a server that is not granted.
    pub host: Arc<str>,
    /// `2xx` to `5xx`, `denied`, `timeout`, `too_large` or `failed`.
    pub outcome: &'static str,
    /// How many.
    pub requests: u64,
    /// Their times together.
    pub busy: Duration,
}

/// Makes the [`Outbound`] of each step.
pub trait Network: Send + Sync + fmt::Debug {
    /// What a step with these grants sends with.
    ///
    /// # Errors
    /// Why these grants cannot be served, as a secret that there is not, for the person who configures them.
    fn outbound(&self, granted: &BTreeMap<Origin, HttpGrant>) -> Result<Arc<dyn Outbound>, String>;
}
