//! What happens to a batch that a step does not take quickly and without a failure: it goes aside, to a
//! thread where waiting for it holds up nobody but its own partition. There the guilty rows are found, or the
//! circuit of the step opens; the CPU thread gets back what the steps made of the batch, as if it had made
//! it itself. Nothing here knows readers, tables or the log.

mod budget;
mod guard;
mod probation;
mod recovery;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use guard::Guard;
pub(crate) use guard::is_blamed;
pub(crate) use probation::Probation;
pub(crate) use recovery::{Answer, Finished, Job, Recovery, Reply};

/// How long one call to a step may hold up a CPU thread, and with it the other tasks of the thread.
pub const HOLD: Duration = Duration::from_millis(50);
