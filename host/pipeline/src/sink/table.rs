//! What a writer has to know of its table: where it lies, what its rows are, how its files are named
//! and how large they may become. Plain data, made once at start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::SchemaRef;
use millstream_model::entry::SessionId;

/// A table of the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// Zone and name with a dot between them, as `raw.vehicle`.
    pub name: String,
    /// The rows. Every batch has exactly these columns.
    pub schema: SchemaRef,
    /// The column whose UTC day partitions the table: a timestamp in microseconds, UTC.
    pub event_time: String,
}

impl TableSpec {
    /// The table's folder below the lake's root: `raw.vehicle` lies in `raw/vehicle`.
    pub fn dir(&self) -> String {
        self.name.replace('.', "/")
    }
}

/// Limits of the files and of the memory that a [`TableWriter`](super::TableWriter) takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkSettings {
    /// A file that has grown to this many bytes is closed. 32 MiB unless changed.
    pub file_bytes_max: usize,
    /// Bytes that all open files of one writer may hold, finished row groups and encoded pages
    /// included; above it the largest is closed. 32 MiB unless changed, so that a task that writes a
    /// raw and a curated table stays under 64 MiB.
    pub buffered_bytes_max: usize,
    /// Files that one writer may have open, one for each day that rows fall on; above it the least
    /// recently written is closed. 16 unless changed; 0 counts as 1.
    pub open_files_max: usize,
    /// Rows after which a row group ends. 1,048,576 unless changed; 0 counts as 1.
    pub row_group_rows: usize,
    /// Bytes, as encoded, after which a row group ends. 16 MiB unless changed.
    pub row_group_bytes: usize,
    /// Level of zstd, 1 to 22. 1 unless changed: higher ones cost far more time than they save bytes.
    pub zstd_level: i32,
}

impl Default for SinkSettings {
    fn default() -> Self {
        Self {
            file_bytes_max: 32 << 20,
            buffered_bytes_max: 32 << 20,
            open_files_max: 16,
            row_group_rows: 1 << 20,
            row_group_bytes: 16 << 20,
            zstd_level: 1,
        }
    }
}

/// Names for the files of one session: `<session>-<number>.parquet`. Clones share the counter, so
/// that no name is given twice within a session.
#[derive(Clone, Debug)]
pub struct FileNames {
    session: SessionId,
    next: Arc<AtomicU64>,
}

impl FileNames {
    /// Names of `session`, from number 0. Call it once a session and clone the result.
    pub fn new(session: SessionId) -> Self {
        Self { session, next: Arc::default() }
    }

    /// The session that the names belong to.
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// A name that this session has not used yet.
    pub fn next_name(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number:06}.parquet", self.session.0)
    }
}
