//! The number of rows in a Parquet file, from its footer alone.

use millstream_model::entry::DataFile;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaDataReader;

use crate::sink::read::ReadError;

/// Bytes that are fetched from the end at first; the footers of our files fit.
const TAIL_BYTES: u64 = 64 << 10;

/// Rows of `file`, as its footer says. Its size must be as the log says.
pub(super) async fn rows(store: &dyn ObjectStore, file: &DataFile) -> Result<u64, ReadError> {
    let damaged = |source| ReadError::Damaged { path: file.path.clone(), source };
    let mut tail_bytes = TAIL_BYTES.min(file.bytes);
    loop {
        let tail = tail(store, file, tail_bytes).await?;
        let mut reader = ParquetMetaDataReader::new();
        match reader.try_parse_sized(&tail, file.bytes) {
            Ok(()) => {
                let rows = reader.finish().map_err(damaged)?.file_metadata().num_rows();
                return Ok(u64::try_from(rows).unwrap_or(0));
            }
            Err(ParquetError::NeedMoreData(needed))
                if needed as u64 > tail_bytes && needed as u64 <= file.bytes =>
            {
                tail_bytes = needed as u64;
            }
            Err(source) => return Err(damaged(source)),
        }
    }
}

async fn tail(store: &dyn ObjectStore, file: &DataFile, bytes: u64) -> Result<bytes::Bytes, ReadError> {
    // Not a suffix: Azure has none.
    let range = GetRange::Bounded(file.bytes - bytes..file.bytes);
    let options = GetOptions { range: Some(range), ..GetOptions::default() };
    let got = async { store.get_opts(&Path::from(file.path.as_str()), options).await?.bytes().await };
    got.await.map_err(|source| ReadError::Fetch { path: file.path.clone(), source })
}
