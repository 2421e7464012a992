//! The crash suite. Several workers of one consumer group write one lake, over Apache Kafka and a real S3
//! server, while processes are killed and stopped, brokers and servers crash, the store gives ambiguous
//! answers, disks fill up and clocks jump, all at moments that a seed decides. After each round every record
//! is in the tables once, says a reader that is not ours; another one looks at the tables all through it.
//!
//! `plan` says what goes wrong, as a pure function of seed and round; `rounds` does it by way of `fault` and
//! `faulty_s3`; `reader` and `independent` look on. Nothing here knows how the host keeps its promise.

mod agenda;
mod cluster;
mod fault;
mod faulty_s3;
mod independent;
mod lake;
pub mod plan;
mod producer;
mod reader;
mod rounds;
mod tally;
mod view;
mod worker;

pub use rounds::{Options, run};
pub use tally::Tally;
