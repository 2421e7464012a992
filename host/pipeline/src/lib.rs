//! The data path, in reading order: `config` says what is wanted, `source` brings messages, `decode`
//! makes them columns, `stage` runs the steps, `sink` writes tables, `checkpoint` makes it all true
//! with one conditional put. `start` makes a run ready and `run` wires it; the other modules know at
//! most their neighbours.

pub mod checkpoint;
pub mod config;
pub mod dead_letter;
pub mod decode;
mod error;
mod fate;
pub mod lake;
pub mod plan;
pub mod predicate;
mod projection;
pub mod route;
pub mod run;
pub mod sink;
pub mod source;
pub mod stage;
pub mod start;
mod task;
pub mod telemetry;
mod uploads;
mod worker;

pub use error::RunError;
