//! Rows become Parquet files of a table. Batches enter a [`TableWriter`] on the thread of their task
//! and leave it as finished files in memory; [`upload`] brings those to the lake. Nothing here knows
//! the checkpoint log: a file that no entry names is not part of its table.

mod day;
mod properties;
pub mod read;
mod rewrite;
mod table;
#[cfg(test)]
mod tests;
mod upload;
mod writer;

pub(crate) use self::properties::{SESSION_KEY, TABLE_KEY, for_file as properties_of_file};
pub use self::rewrite::Rewriter;
pub use self::table::{FileNames, SinkSettings, TableSpec};
pub use self::upload::{UploadError, upload};
pub use self::writer::{FinishedFile, SinkError, TableWriter};
pub use millstream_model::columns::DAY;
