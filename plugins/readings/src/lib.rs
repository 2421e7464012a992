//! What the city's cleansing plugins know of a reading, whatever stream it is of: when it was made,
//! where, how fast, and in which words. A plugin hands in what a row holds and gets back what is to be
//! written, or a fault whose reason names the column and the rule, never a value.
//!
//! Each module has its part of a configuration, checked once into a value that rows are passed through;
//! what is wrong with it are [`Problem`]s. Nothing here knows batches, plans or streams, and nothing
//! allocates for a row.

pub mod clock;
mod config;
pub mod measure;
pub mod position;
pub mod timestamp;
pub mod vocabulary;

pub use config::{Problem, Treatment, noted};
