//! Runs a candidate beside the live version of a step, on the same batches and without effect, and says how
//! they differ. Live batches come from the `feed`, which the stage offers what it made; earlier messages are
//! read again from their source (`recent`). `compare` looks for differences, `runner` is the thread, and
//! `verdict` judges the report. Nothing here writes a row, a file or an entry.

mod align;
mod capture;
mod columns;
mod compare;
mod error;
mod example;
mod feed;
mod found;
mod policy;
mod recent;
mod report;
mod runner;
mod values;
mod verdict;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

pub use error::ShadowError;
pub use feed::{SHADOWS_MAX, ShadowFeed};
pub use policy::ShadowPolicy;
pub use report::{Difference, EXAMPLES_MAX, LOG_LINES_MAX, ShadowReport, SideReport};
pub use runner::{SHADOWS_KEPT, Shadow, ShadowStart, start};
pub use values::shown;
