//! What the end-to-end tests share: the `millstream` command, a folder to work in, configurations,
//! Apache Kafka, servers of objects, a real terminal, and readers of the tables that are not ours.

mod azure;
mod command;
mod door;
mod kafka;
mod object_server;
mod random;
mod readers;
mod s3;
mod served;
mod terminal;
mod workspace;

pub use azure::Azure;
pub use command::{Command, Output, Running, program_folder};
pub use door::{Door, Refusal};
pub use kafka::{Kafka, Record};
pub use random::Random;
pub use readers::{duckdb, duckdb_over_http, duckdb_over_s3, pyarrow, python};
pub use s3::S3;
pub use served::Served;
pub use terminal::Terminal;
pub use workspace::{Workspace, repository, seeds};
