//! The vocabulary of Millstream: positions, message batches, checkpoint entries and the names of
//! the system columns. Everything here is plain data that other crates pass to one another; there
//! is no I/O, no thread and no async runtime in it.

pub mod batch;
pub mod clock;
pub mod columns;
pub mod entry;
pub mod position;
pub mod schema;

pub use batch::{Header, MessageBatch, MessageRef};
pub use clock::{Clock, SystemClock};
pub use position::{Digest, Offset, OffsetRange, TopicPartition};
