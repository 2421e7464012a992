//! What the end-to-end tests share: the `millstream` command, a folder to work in, configurations,
//! Apache Kafka, and readers of the tables that are not ours.

mod command;
mod kafka;
mod readers;
mod workspace;

pub use command::{Command, Output, Running};
pub use kafka::Kafka;
pub use readers::{duckdb, pyarrow};
pub use workspace::{Workspace, repository, seeds};
