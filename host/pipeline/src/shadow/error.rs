//! Why there is no shadow, or why it ended before its time.

use arrow::error::ArrowError;

use super::feed::SHADOWS_MAX;
use crate::admin::{AdminError, StepId};
use crate::source::SourceError;

/// A shadow that cannot begin or go on. The live version never notices.
#[derive(Debug, thiserror::Error)]
pub enum ShadowError {
    /// The stream has no such step.
    #[error("there is no step {0}")]
    NoStep(StepId),
    /// The process does not run the stream.
    #[error("this process does not run stream `{0}`")]
    NoStream(String),
    /// Too many look at the stream already.
    #[error("{SHADOWS_MAX} shadows run on this stream, which is the most; wait for one of them")]
    TooMany,
    /// The run is ending.
    #[error("the run is ending")]
    Ending,
    /// There is no room for another thread.
    #[error("no thread can be started for the shadow: {0}")]
    Thread(#[from] std::io::Error),
    /// The candidate takes other rows than the step gets.
    #[error("the candidate was made for other rows than the step gets; check it again")]
    OtherInput,
    /// The candidate does not start.
    #[error("the candidate does not start: {0}")]
    Candidate(String),
    /// A step that the messages pass before, or the live version itself, does not go on.
    #[error("step `{step}` cannot go on: {reason}")]
    Live {
        /// The step.
        step: String,
        /// Why.
        reason: String,
    },
    /// The candidate cannot go on.
    #[error("the candidate's circuit opened: {0}")]
    Circuit(String),
    /// The live version is not the one that the shadow began with.
    #[error("the stream's steps were changed meanwhile; begin the shadow again")]
    Changed,
    /// It was told to stop.
    #[error("it was stopped before its end")]
    Stopped,
    /// The messages cannot be read again.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What the versions made cannot be compared.
    #[error("what the versions made cannot be compared: {0}")]
    Compare(#[from] ArrowError),
}

impl From<ShadowError> for AdminError {
    /// What to answer to somebody who asks for a shadow that cannot begin.
    fn from(error: ShadowError) -> Self {
        match error {
            ShadowError::NoStep(_) | ShadowError::NoStream(_) => Self::Unknown(error.to_string()),
            ShadowError::Ending => Self::NotRunning("ending"),
            _ => Self::Conflict(error.to_string()),
        }
    }
}
