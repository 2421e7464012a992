//! The data path, in reading order: `config` says what is wanted, `source` brings messages, [`decode`]
//! makes them columns, `watermark` says which came too late, `stage` runs the steps (`aside` where they do not take
//! a batch quickly), `sink` writes tables,
//! `checkpoint` makes it all true with one conditional put. `start` makes a run ready and `run` wires it; the
//! other modules know at most their neighbours. `telemetry` and `tap` let others look on. Beside the path stand
//! `merge`, which rewrites small files, `replay`, which takes messages the same way once more, `discover`,
//! which reads a sample to propose or check a schema, `shadow`, which runs a candidate beside the live version of
//! a step, and `upkeep`, which cleans, verifies, backs up and restores lakes.

pub mod admin;
pub mod aside;
mod chain;
pub mod checkpoint;
pub mod config;
pub mod dead_letter;
mod error;
mod fate;
mod identity;
pub mod lake;
mod library;
pub mod merge;
pub mod plan;
pub mod predicate;
mod projection;
pub mod reload;
pub mod replay;
pub mod route;
pub mod run;
pub mod shadow;
pub mod signed;
pub mod sink;
pub mod source;
pub mod stage;
pub mod start;
pub mod store;
pub mod tap;
mod task;
pub mod telemetry;
pub mod upkeep;
mod uploads;
pub mod watermark;
mod worker;

pub use error::RunError;
pub use millstream_decode as decode;
pub use millstream_decode::discover;
