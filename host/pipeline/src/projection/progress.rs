//! How far the projection came, kept in the lake: `_millstream/projections/dead_letters/<topic>/<sequence>.json`,
//! created once and never changed. The largest sequence is the progress; smaller ones are deleted. Two
//! workers that publish the same entry find the same file there, and the progress never goes back.

use std::sync::Arc;

use futures::TryStreamExt as _;
use millstream_model::entry::Sequence;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode};

use super::ProjectionError;

/// Folder of all progress in a lake.
const FOLDER: &str = "_millstream/projections/dead_letters";

/// The progress of one topic.
pub(super) struct Progress {
    store: Arc<dyn ObjectStore>,
    folder: Path,
}

impl Progress {
    pub(super) fn new(store: Arc<dyn ObjectStore>, topic: &str) -> Self {
        Self { store, folder: Path::from(format!("{FOLDER}/{topic}")) }
    }

    /// The last entry whose letters are published; 0 if none is.
    pub(super) async fn read(&self) -> Result<Sequence, ProjectionError> {
        Ok(self.kept().await?.into_iter().map(|(sequence, _)| sequence).max().unwrap_or(0))
    }

    /// Keeps that the letters of all entries up to `sequence` are published.
    pub(super) async fn keep(&self, sequence: Sequence) -> Result<(), ProjectionError> {
        let path = self.folder.clone().join(format!("{sequence:020}.json"));
        let content = format!("{{\"format\":1,\"published\":{sequence}}}\n").into_bytes();
        match self.store.put_opts(&path, content.into(), PutMode::Create.into()).await {
            // Another worker was there first, or the answer to our own put was lost.
            Ok(_) | Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
            Err(source) => return Err(ProjectionError::Progress { path: path.to_string(), source }),
        }
        for (_, path) in self.kept().await?.into_iter().filter(|(earlier, _)| *earlier < sequence) {
            match self.store.delete(&path).await {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => tracing::debug!(%path, %error, "an earlier progress is left behind"),
            }
        }
        Ok(())
    }

    async fn kept(&self) -> Result<Vec<(Sequence, Path)>, ProjectionError> {
        let listed = self.store.list(Some(&self.folder)).try_collect::<Vec<_>>().await;
        let listed =
            listed.map_err(|source| ProjectionError::Progress { path: self.folder.to_string(), source })?;
        let sequence = |path: &Path| path.filename()?.strip_suffix(".json")?.parse().ok();
        Ok(listed.into_iter().filter_map(|meta| Some((sequence(&meta.location)?, meta.location))).collect())
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn progress_never_goes_back() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (one, other) = (Progress::new(store.clone(), "a"), Progress::new(store, "b"));
        assert_eq!(one.read().await.unwrap(), 0);
        for (sequence, expect) in [(9, 9), (10, 10), (10, 10), (3, 10), (100, 100)] {
            one.keep(sequence).await.unwrap();
            assert_eq!(one.read().await.unwrap(), expect);
        }
        assert_eq!(other.read().await.unwrap(), 0);
    }
}
