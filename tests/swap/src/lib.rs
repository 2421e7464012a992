//! The swap suite. Two workers of one consumer group, each with a plugin folder of its own, write one lake from
//! Apache Kafka under load, while the plugin of their step is changed again and again: files are dropped in,
//! versions are promoted and rolled back. In a second phase a worker is killed at a step of each change. Every
//! version marks its rows, so that afterwards a reader that is not ours can say of each row who made it, and the
//! entries of the log whether that is who should have.
//!
//! `plan` says what is done, as a pure function of seed and number; `suite` does it by way of `worker` and
//! `door`; `ledger` looks at the log and `verdict` at the rows.

mod door;
mod holds;
mod ledger;
pub mod plan;
mod producer;
mod suite;
mod tally;
mod verdict;
mod versions;
mod worker;

pub use suite::{Options, run};
pub use tally::Tally;
