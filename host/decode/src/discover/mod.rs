//! Looks at a sample of a topic: to propose a stream's schema ([`infer`]), or to say how messages have
//! drifted from a declared one ([`StreamCheck`]). Batches of messages enter, proposals and reports
//! leave, ready for people and scripts. Nothing here does I/O, and nothing runs on the data path.

mod aliases;
mod check;
mod coordinates;
mod event_time;
mod field;
mod finding;
mod infer;
mod leaves;
mod profile;
mod render;
mod shape;
mod vocabulary;

#[cfg(test)]
mod tests;

pub use check::{ColumnNulls, ColumnProblem, NewField, StreamCheck, StreamDrift};
pub use event_time::ProposedEventTime;
pub use field::{Arrays, FieldProfile, Kind, MessageSet, Texts};
pub use finding::{Finding, FindingKind};
pub use infer::{Alias, Proposal, ProposedColumn, infer, stream_names};
pub use profile::{Place, Seen, TopicProfile};
pub use render::toml;
pub use vocabulary::Vocabulary;
