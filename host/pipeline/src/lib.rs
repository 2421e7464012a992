//! The data path, in reading order: `config` says what is wanted, `source` brings messages, `decode`
//! makes them columns, `stage` runs the steps, `sink` writes tables, `checkpoint` makes it all true
//! with one conditional put. `run` is the one place that wires two of them together.

pub mod checkpoint;
pub mod config;
pub mod dead_letter;
pub mod decode;
pub mod lake;
pub mod sink;
pub mod source;
