//! What may be asked of a running process: requests go in over a bounded channel to the run's loop, which
//! answers each. What is asked for is done through the log where it concerns all workers. Who asks, and
//! whether they may, is decided elsewhere; this module knows neither HTTP nor tokens.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use millstream_model::Digest;
use millstream_model::entry::Sequence;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::shadow::ShadowReport;

/// Requests that may wait for the run's loop.
const REQUESTS_MAX: usize = 16;

/// A step of a stream, written `stream/step`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepId {
    /// The stream.
    pub stream: String,
    /// The step.
    pub step: String,
}

impl StepId {
    /// A step by its names.
    pub fn new(stream: impl Into<String>, step: impl Into<String>) -> Self {
        Self { stream: stream.into(), step: step.into() }
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stream, self.step)
    }
}

impl FromStr for StepId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (stream, step) = text.split_once('/').ok_or_else(|| format!("`{text}` is not STREAM/STEP"))?;
        Ok(Self::new(stream, step))
    }
}

/// A request that is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// There is no such stream, step, version, candidate or shadow.
    #[error("{0}")]
    Unknown(String),
    /// It is there, and this cannot be done with it now; the text says what to do instead.
    #[error("{0}")]
    Conflict(String),
    /// What was sent is wrong, as a file that is no plugin.
    #[error("{0}")]
    Refused(String),
    /// The process is starting or ending.
    #[error("the run is {0}; ask again later")]
    NotRunning(&'static str),
}

/// A change of a step that was asked for and stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Digest of the plugin that the step runs from now on.
    pub plugin: Digest,
    /// Entry of the log from which on it does.
    pub sequence: Sequence,
}

/// How much a shadow sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShadowExtent {
    /// Live batches, for this long.
    For(Duration),
    /// The last messages of the stream, at most this many, read again from its source.
    Last(u64),
}

/// What runs beside the live version.
#[derive(Clone, Debug)]
pub enum ShadowCandidate {
    /// These bytes of a `.wasm` file.
    Bytes(Vec<u8>),
    /// A candidate that waits, or a version that the log knows, by its digest.
    Digest(Digest),
}

/// Number of a shadow of this process.
pub type ShadowId = u64;

/// Where a shadow stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShadowStatus {
    /// Its number.
    pub id: ShadowId,
    /// The step.
    pub step: StepId,
    /// Digest of the candidate.
    pub plugin: Digest,
    /// Whether it is over.
    pub done: bool,
    /// Why it could not be finished, if so.
    pub error: Option<String>,
    /// What it has seen so far, or in all.
    pub report: ShadowReport,
}

/// Where the answer to a request goes.
pub type Reply<T> = oneshot::Sender<Result<T, AdminError>>;

/// A request.
#[derive(Debug)]
pub enum Request {
    /// Let the candidate of a step that waits for an approval go on.
    Approve(StepId, Digest, Reply<()>),
    /// Let a step run this version: a candidate, or a version that the log knows.
    Promote(StepId, Digest, Reply<Changed>),
    /// Let a step run the version before the present one, or this one.
    RollBack(StepId, Option<Digest>, Reply<Changed>),
    /// Forget the candidate of a step.
    Dismiss(StepId, Reply<()>),
    /// Let no worker read on with a stream.
    Pause(String, String, Reply<Sequence>),
    /// Let it go on.
    Resume(String, Reply<Sequence>),
    /// Run a candidate beside the live version of a step.
    Shadow(StepId, ShadowCandidate, ShadowExtent, Reply<ShadowStatus>),
}

/// Asks a run. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin {
    requests: mpsc::Sender<Request>,
}

impl Admin {
    /// A way to ask, and where the questions come out, for [`crate::run::run`].
    pub fn channel() -> (Self, mpsc::Receiver<Request>) {
        let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
        (Self { requests }, inbox)
    }

    /// Sends the request that `request` makes of the way back, and waits for the answer.
    ///
    /// # Errors
    /// What the run answers; [`AdminError::NotRunning`] if it has ended.
    pub async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, AdminError> {
        let (reply, answer) = oneshot::channel();
        let ending = |()| AdminError::NotRunning("ending");
        self.requests.send(request(reply)).await.map_err(|_| ending(()))?;
        answer.await.map_err(|_| ending(()))?
    }
}

/// A version of a plugin that is not run, or not yet, in the place of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The step.
    pub step: StepId,
    /// Digest of the plugin's bytes; none if they could not be read.
    pub plugin: Option<Digest>,
    /// What it says is its version, if it could be asked.
    pub version: Option<String>,
    /// Where it comes from: a file, or an upload.
    pub from: String,
    /// What is done with it.
    pub state: CandidateState,
    /// When it was found, microseconds since the epoch.
    pub at_us: i64,
}

/// What is done with a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum CandidateState {
    /// It is compiled and checked.
    Checking,
    /// It is not taken.
    Refused {
        /// Why, and what to do.
        reason: String,
    },
    /// It asks for more than the running version had.
    AwaitsApproval {
        /// What is new, as `newly reads column driver_name`.
        widened: Vec<String>,
    },
    /// It runs beside the live version.
    Shadowed {
        /// The shadow.
        shadow: ShadowId,
    },
    /// It is good, and waits until it is promoted.
    Held {
        /// Why it is held: the step's policy, or thresholds that its shadow did not keep.
        reason: String,
    },
}
