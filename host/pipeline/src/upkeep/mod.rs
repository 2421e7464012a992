//! Upkeep of a lake as a whole, beside the data path: what nobody names any more ([`clean`]), whether all is
//! there that the log names ([`verify`]), copies of a lake and their way back ([`backup`], [`restore`]).
//! A lake comes in; findings and figures go out. It knows the log and files, and nothing of streams.

pub mod backup;
pub mod clean;
mod contents;
mod copy;
mod error;
mod finding;
mod footer;
mod inventory;
pub mod restore;
pub mod verify;

use std::sync::Arc;

use millstream_model::Clock;
use object_store::path::Path;

use crate::checkpoint::CheckpointLog;
use crate::lake::Lake;
use crate::start::LOG_FOLDER;
pub use error::UpkeepError;
pub use finding::Finding;

/// How far a long work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// What is counted, as `entries read`.
    pub what: &'static str,
    /// How many are done.
    pub done: u64,
    /// Of how many.
    pub of: u64,
}

/// The log of one of several lakes: an error says of which.
async fn open_log(lake: &Lake, clock: Arc<dyn Clock>) -> Result<CheckpointLog, UpkeepError> {
    let opened = CheckpointLog::open(lake.store(), Path::from(LOG_FOLDER), clock).await;
    opened.map_err(|source| UpkeepError::Open { lake: lake.url().to_owned(), source })
}
