//! An in-memory host for world `keyed-transform`, as small as the contract allows: it runs a guest over
//! a sequence of rows under random cuts, traps and lost instances, and returns what took effect. It
//! exists to prove the plugin ABI; it knows only the row below, and nothing of Arrow, Kafka or files.

mod bindings;
mod context;
mod imports;
mod migrate;
mod row;
mod staged;
mod step;
mod task;
mod watermark;

pub use migrate::migrate;
pub use row::{Row, Value};
pub use step::{Chance, Protocol, Step};
pub use task::{DeadLetter, Emitted, Origin, Outcome, Task, Timer};
pub use watermark::{Moves, Watermark};
