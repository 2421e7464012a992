//! Reads rows of files back, for people to look at and for what writes them again. Which files are live is for
//! the caller to say: the log knows, the folder does not.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use millstream_model::columns;
use millstream_model::entry::DataFile;
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;

use crate::store::{RetryPolicy, fetch};

/// A file that cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store does not give the file.
    #[error("`{path}` cannot be fetched from the lake: {source}")]
    Fetch {
        /// Path below the lake's root.
        path: String,
        /// What the store says.
        source: object_store::Error,
    },
    /// The file is there and is not sound Parquet.
    #[error("`{path}` is damaged: {source}")]
    Damaged {
        /// Path below the lake's root.
        path: String,
        /// What the Parquet reader says.
        source: ParquetError,
    },
    /// Rows of the file cannot be decoded.
    #[error("`{path}` has rows that cannot be decoded: {source}")]
    Rows {
        /// Path below the lake's root.
        path: String,
        /// What the Parquet reader says.
        source: ArrowError,
    },
}

impl ReadError {
    /// True if there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Fetch { source: object_store::Error::NotFound { .. }, .. })
    }
}

/// The first `rows_max` rows of `files`, in the order of the files. Whole files are fetched, one at
/// a time, until there are enough rows.
pub async fn first_rows(
    store: &Arc<dyn ObjectStore>,
    files: &[DataFile],
    rows_max: usize,
) -> Result<Vec<RecordBatch>, ReadError> {
    let mut batches = Vec::new();
    let mut missing = rows_max;
    for file in files {
        if missing == 0 {
            break;
        }
        for batch in open(store, file, missing).await? {
            let batch = batch.map_err(|source| ReadError::Rows { path: file.path.clone(), source })?;
            missing -= batch.num_rows();
            batches.push(batch);
        }
    }
    Ok(batches)
}

/// Rows that one batch of [`batches`] has at most: few, since a row may hold a whole message.
const BATCH_ROWS: usize = 64;

/// The rows of `file`, a few at a time; the file itself is fetched whole.
pub async fn batches(
    store: &Arc<dyn ObjectStore>,
    file: &DataFile,
) -> Result<impl Iterator<Item = Result<RecordBatch, ReadError>> + use<>, ReadError> {
    columns(store, file, &[], BATCH_ROWS).await
}

/// The columns `names` of `file`, at most `batch_rows` rows at a time; all columns if none are named. The file
/// itself is fetched whole.
pub async fn columns(
    store: &Arc<dyn ObjectStore>,
    file: &DataFile,
    names: &[&str],
    batch_rows: usize,
) -> Result<impl Iterator<Item = Result<RecordBatch, ReadError>> + use<>, ReadError> {
    let mut builder = builder(store, file).await?;
    if !names.is_empty() {
        let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
        builder = builder.with_projection(mask);
    }
    rows(builder, file, batch_rows)
}

/// The rows behind `builder`, which has read the footer of `file`; at most `batch_rows` at a time.
pub(crate) fn rows(
    builder: ParquetRecordBatchReaderBuilder<bytes::Bytes>,
    file: &DataFile,
    batch_rows: usize,
) -> Result<impl Iterator<Item = Result<RecordBatch, ReadError>> + use<>, ReadError> {
    let path = file.path.clone();
    let reader = builder.with_batch_size(batch_rows).build();
    let reader = reader.map_err(|source| ReadError::Damaged { path: path.clone(), source })?;
    Ok(reader.map(move |batch| batch.map_err(|source| ReadError::Rows { path: path.clone(), source })))
}

/// The event time of the table of the file whose footer `builder` has read: the column beside the offset that
/// has statistics of its pages. The offset itself if there is none.
pub(crate) fn event_time<R: ChunkReader + 'static>(builder: &ParquetRecordBatchReaderBuilder<R>) -> String {
    let chunks = builder.metadata().row_groups().first().map_or(&[][..], |group| group.columns());
    let paged = chunks.iter().filter(|chunk| chunk.column_index_offset().is_some());
    let mut paged = paged.map(|chunk| chunk.column_path().string());
    paged.find(|name| name != columns::OFFSET).unwrap_or(columns::OFFSET.to_owned())
}

/// The columns of `file`.
pub async fn schema(store: &Arc<dyn ObjectStore>, file: &DataFile) -> Result<SchemaRef, ReadError> {
    Ok(builder(store, file).await?.schema().clone())
}

async fn open(
    store: &Arc<dyn ObjectStore>,
    file: &DataFile,
    rows_max: usize,
) -> Result<ParquetRecordBatchReader, ReadError> {
    let reader = builder(store, file).await?.with_limit(rows_max).build();
    reader.map_err(|source| ReadError::Damaged { path: file.path.clone(), source })
}

/// A reader of `file`, which is fetched whole, that has read its footer.
pub(crate) async fn builder(
    store: &Arc<dyn ObjectStore>,
    file: &DataFile,
) -> Result<ParquetRecordBatchReaderBuilder<bytes::Bytes>, ReadError> {
    let path = Path::from(file.path.as_str());
    let content = fetch(store, &path, RetryPolicy::default()).await;
    let content = content.map_err(|source| ReadError::Fetch { path: file.path.clone(), source })?;
    ParquetRecordBatchReaderBuilder::try_new(content)
        .map_err(|source| ReadError::Damaged { path: file.path.clone(), source })
}
