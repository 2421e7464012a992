//! Brings finished files to the lake. A file's name is never used twice, so creating it is safe to
//! try again: what is found under the name is either this file or a bug.

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload, WriteMultipart};

use super::FinishedFile;
use crate::store::RetryPolicy;

/// Files above this size go up in parts.
const MULTIPART_ABOVE: usize = 64 << 20;

/// Size of a part.
const PART_BYTES: usize = 16 << 20;

/// Parts of one file that are on their way at once.
const PARTS_IN_FLIGHT_MAX: usize = 4;

/// A file that is not in the lake. Nothing names it yet, so nothing is lost but the work.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Another file has the name: two sessions share an id, or something else writes to the lake.
    #[error("`{path}` exists already with other content: give the lake to one Millstream only")]
    Taken {
        /// Path below the lake's root.
        path: String,
    },
    /// The store refuses, or did not recover in the time given.
    #[error("`{path}` cannot be written to the lake after {attempts} attempt(s): {source}")]
    Store {
        /// Path below the lake's root.
        path: String,
        /// Times tried.
        attempts: u32,
        /// What the store says.
        source: object_store::Error,
    },
}

/// Writes `file` to the lake whose root is `store`. Returns once it is durable, with the attempts it took.
/// Errors that may pass are tried again within the bounds of [`RetryPolicy::default`].
pub async fn upload(store: &Arc<dyn ObjectStore>, file: &FinishedFile) -> Result<u32, UploadError> {
    let path = Path::from(file.file.path.as_str());
    let what = format!("create `{path}`");
    let mut attempts = RetryPolicy::default().begin();
    loop {
        let Err(source) = put(store, &path, &file.content).await else { return Ok(attempts.failures() + 1) };
        if matches!(
            source,
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }
        ) {
            match is_there(store, &path, &file.content).await {
                Ok(true) => return Ok(attempts.failures() + 1),
                Ok(false) => return Err(UploadError::Taken { path: path.to_string() }),
                // Told that it exists, and it does not: the outcome is unknown, try again.
                Err(_) => {}
            }
        }
        if !attempts.go_on(&what, &source).await {
            return Err(UploadError::Store { path: path.to_string(), attempts: attempts.failures(), source });
        }
    }
}

async fn put(store: &Arc<dyn ObjectStore>, path: &Path, content: &Bytes) -> object_store::Result<()> {
    if content.len() <= MULTIPART_ABOVE {
        let payload = PutPayload::from_bytes(content.clone());
        return store.put_opts(path, payload, PutMode::Create.into()).await.map(drop);
    }
    let mut parts = WriteMultipart::new_with_chunk_size(store.put_multipart(path).await?, PART_BYTES);
    for at in (0..content.len()).step_by(PART_BYTES) {
        parts.wait_for_capacity(PARTS_IN_FLIGHT_MAX).await?;
        parts.put(content.slice(at..content.len().min(at + PART_BYTES)));
    }
    parts.finish().await.map(drop)
}

/// True if exactly `content` lies at `path`.
async fn is_there(store: &Arc<dyn ObjectStore>, path: &Path, content: &Bytes) -> object_store::Result<bool> {
    let found = store.get(path).await?;
    if found.meta.size != content.len() as u64 {
        return Ok(false);
    }
    Ok(found.bytes().await? == *content)
}
