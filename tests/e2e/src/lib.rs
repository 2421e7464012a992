//! What the end-to-end tests share: the `millstream` command, a folder to work in, configurations,
//! Apache Kafka, an S3 server, a real terminal, and readers of the tables that are not ours.

mod command;
mod kafka;
mod readers;
mod s3;
mod served;
mod terminal;
mod workspace;

pub use command::{Command, Output, Running};
pub use kafka::{Kafka, Record};
pub use readers::{duckdb, duckdb_over_s3, pyarrow, python};
pub use s3::S3;
pub use served::Served;
pub use terminal::Terminal;
pub use workspace::{Workspace, repository, seeds};
