//! What the benchmarks share: messages in memory, the native form of each transform, and a clock that
//! counts the thread's own CPU time.

pub mod clock;
pub mod messages;
pub mod native;
pub mod way;
