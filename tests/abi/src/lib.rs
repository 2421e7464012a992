//! Runs guests of world `keyed-transform` in the engine over a sequence of rows, under random cuts, failures
//! of their state and lost instances, and returns what took effect. It exists to prove the plugin ABI and the
//! engine's part of it; it knows only the row below, and nothing of Kafka or files.

mod flaky;
mod outcome;
mod row;
mod step;
mod watermark;

pub use outcome::{DeadLetter, Emitted, Origin, Outcome, Timer};
pub use row::{Row, Value};
pub use step::{Chance, Protocol, Step, Task};
pub use watermark::{Moves, Watermark};
