//! The checkpoint protocol as a state machine without I/O. [`format`](mod@format) turns entries into bytes,
//! [`state`] folds them and decides which are accepted, [`machine`] says what to ask of the object
//! store and what the answers mean, [`invariants`] states what must hold whatever happens.
//!
//! Production, simulation and crash tests run this same code; it knows no runtime, no store and no
//! clock. Decisions are recorded in `docs/adr/0002-checkpoint-log.md`.

mod apply;
mod check;
pub mod format;
mod handover;
pub mod invariants;
pub mod machine;
mod rejection;
pub mod rules;
pub mod state;
mod versions;

pub use format::{FormatError, decode_entry, decode_snapshot, encode_entry, encode_snapshot};
pub use machine::{Action, Event, Halt, Machine, Outcome, Step};
pub use rejection::{Rejection, Remedy};
pub use rules::{Rule, Rules};
pub use state::{FoldError, Folded, LogState};
pub use versions::{Pause, StepVersion, VERSIONS_MAX};
