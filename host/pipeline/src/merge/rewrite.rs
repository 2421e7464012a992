//! Rewrites files as one: fetches them one at a time, decodes a few rows at a time and encodes them again. Holds
//! one file that is read and the one that is written, both below about twice the target size. Every column comes
//! back as it went, and so does what the files say in their metadata.

use std::sync::Arc;

use bytes::Bytes;
use millstream_model::entry::{DataFile, Replace};
use object_store::ObjectStore;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::form::{Form, Forms};
use super::output::Output;
use super::pace::Pace;
use crate::sink::read::{self, ReadError};
use crate::sink::{FileNames, FinishedFile, SinkError, SinkSettings, UploadError, upload};

/// Rows that are decoded at once at most.
const BATCH_ROWS_MAX: usize = 8192;
/// Bytes that rows that are decoded at once have about.
const BATCH_BYTES: usize = 8 << 20;

/// Files that were not merged. Nothing is lost: they stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file has not the rows that the log says.
    #[error("`{path}` has {found} rows, and the checkpoint log says {expected}; it is left as it is")]
    Rows {
        /// Path below the lake's root.
        path: String,
        /// Rows as the log says.
        expected: u64,
        /// Rows found.
        found: u64,
    },
    /// The rows cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The merged file cannot be stored.
    #[error(transparent)]
    Upload(#[from] UploadError),
}

impl MergeError {
    /// The file that is wrong for good: it cannot be merged with any other.
    pub fn culprit(&self) -> Option<&str> {
        match self {
            Self::Rows { path, .. }
            | Self::Read(ReadError::Damaged { path, .. } | ReadError::Rows { path, .. }) => Some(path),
            Self::Read(error @ ReadError::Fetch { path, .. }) => error.is_missing().then_some(path),
            Self::Sink(_) | Self::Upload(_) => None,
        }
    }
}

/// What became of files that were to be merged.
#[derive(Debug)]
pub enum Rewritten {
    /// They are one file now, once the log says so.
    Merged {
        /// What the log is to say.
        replace: Replace,
        /// The file; it is in the lake.
        file: Box<DataFile>,
        /// Bytes of the files that it takes the place of.
        bytes_read: u64,
    },
    /// No two of them are of one form.
    Apart,
    /// The end came first.
    Over,
}

/// Merges files, one after the other.
pub struct Rewriter {
    store: Arc<dyn ObjectStore>,
    settings: Arc<SinkSettings>,
    names: FileNames,
    /// Forms of the files that were read or written.
    pub forms: Forms,
    /// The pace of the thread.
    pub pace: Pace,
}

impl Rewriter {
    /// Merges files of `store` into files with these `names`, at this pace. Not to be used on an async thread.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        settings: Arc<SinkSettings>,
        names: FileNames,
        pace: Pace,
    ) -> Self {
        Self { store, settings, names, forms: Forms::default(), pace }
    }

    /// Merges those of `files` that are of the form of the first one, in their order.
    pub fn rewrite(&mut self, files: &[DataFile]) -> Result<Rewritten, MergeError> {
        let Some(first) = files.first() else { return Ok(Rewritten::Apart) };
        let bytes: u64 = files.iter().map(|file| file.bytes).sum();
        let capacity = usize::try_from(bytes).unwrap_or(0);
        let mut open: Option<(Arc<Form>, Output)> = None;
        let mut merged = Vec::new();
        self.pace.begin();
        for file in files {
            let Some(found) = self.pace.until_over(read::builder(&self.store, file)) else {
                return Ok(Rewritten::Over);
            };
            let found = found?;
            let form = self.forms.note(&file.path, Form::of(&found));
            let (_, output) =
                open.get_or_insert_with(|| (form.clone(), Output::new(&file.table, form.clone(), capacity)));
            if !output.takes(&form) {
                continue;
            }
            if !self.copy(file, found, output)? {
                return Ok(Rewritten::Over);
            }
            merged.push(file);
        }
        match open {
            Some((form, output)) if merged.len() >= 2 => {
                let finished = output.finish(first, &self.names)?;
                finished.map_or(Ok(Rewritten::Apart), |finished| self.store(&merged, finished, form))
            }
            _ => Ok(Rewritten::Apart),
        }
    }

    /// Copies the rows of `file`; false if the end came first.
    fn copy(
        &mut self,
        file: &DataFile,
        found: ParquetRecordBatchReaderBuilder<Bytes>,
        output: &mut Output,
    ) -> Result<bool, MergeError> {
        let batch_rows = batch_rows(&found);
        let mut rows = 0;
        for batch in read::rows(found, file, batch_rows)? {
            let batch = batch?;
            output.write(&batch, &self.settings, &self.names)?;
            rows += batch.num_rows() as u64;
            if !self.pace.rest() {
                return Ok(false);
            }
        }
        match rows == file.rows {
            true => Ok(true),
            false => Err(MergeError::Rows { path: file.path.clone(), expected: file.rows, found: rows }),
        }
    }

    /// Brings the merged file to the lake.
    fn store(
        &mut self,
        merged: &[&DataFile],
        finished: FinishedFile,
        form: Arc<Form>,
    ) -> Result<Rewritten, MergeError> {
        let Some(stored) = self.pace.until_over(upload(&self.store, &finished)) else {
            return Ok(Rewritten::Over);
        };
        stored?;
        self.forms.known(&finished.file.path, &form);
        let replace = Replace {
            table: finished.file.table.clone(),
            removed: merged.iter().map(|file| file.path.clone()).collect(),
            added: vec![finished.file.clone()],
        };
        let bytes_read = merged.iter().map(|file| file.bytes).sum();
        Ok(Rewritten::Merged { replace, file: Box::new(finished.file), bytes_read })
    }
}

/// Rows of about [`BATCH_BYTES`], as the footer has it.
fn batch_rows(found: &ParquetRecordBatchReaderBuilder<Bytes>) -> usize {
    let groups = found.metadata().row_groups();
    let rows: i64 = groups.iter().map(|group| group.num_rows()).sum();
    let bytes: i64 = groups.iter().map(|group| group.total_byte_size()).sum();
    let row_bytes = usize::try_from(bytes / rows.max(1)).unwrap_or(0).max(1);
    (BATCH_BYTES / row_bytes).clamp(1, BATCH_ROWS_MAX)
}

#[cfg(test)]
mod tests;
