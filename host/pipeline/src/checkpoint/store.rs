//! Turns the protocol's actions into requests to an object store. Reads and deletions are repeated
//! here; a create is tried once and reported as not confirmed whatever the error was, since only the
//! protocol may decide what follows.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use millstream_log::{Action, Event};
use millstream_model::entry::Sequence;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use super::error::LogError;
use super::retry::{RetryPolicy, is_permanent};

#[derive(Debug)]
pub(crate) struct LogStore {
    store: Arc<dyn ObjectStore>,
    entries: Path,
    snapshots: Path,
    /// Folders that hold data files, for the cleaner.
    tables: Vec<Path>,
    retry: RetryPolicy,
}

impl LogStore {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: Path, retry: RetryPolicy) -> Self {
        let (entries, snapshots) = (prefix.clone().join("entries"), prefix.join("snapshots"));
        Self { store, entries, snapshots, tables: Vec::new(), retry }
    }

    pub(super) fn set_tables(&mut self, tables: &[Path]) {
        self.tables = tables.to_vec();
    }

    /// Performs one action. `failures` counts unconfirmed creates since something was last found.
    pub(super) async fn perform(&self, action: &Action, failures: &mut u32) -> Result<Event, LogError> {
        let event = match action {
            Action::ReadBoundary => Event::Boundary(self.snapshots().await?.pop().unwrap_or(0)),
            Action::GetSnapshot(sequence) => found(self.snapshot(*sequence).await?),
            Action::Get(sequence) => found(self.entry(*sequence).await?),
            Action::Create { sequence, bytes } => {
                self.create(&file(&self.entries, *sequence), bytes, failures).await?
            }
            Action::CreateSnapshot { sequence, bytes } => {
                self.create(&file(&self.snapshots, *sequence), bytes, failures).await?
            }
            Action::DeleteEntries { below } => self.delete_below(&self.entries, *below).await?,
            Action::DeleteSnapshots { below } => self.delete_below(&self.snapshots, *below).await?,
            Action::ListFiles => Event::Files(self.list_files().await?),
            Action::DeleteFiles(paths) => {
                self.delete(paths.iter().map(|path| Path::from(path.as_str())).collect()).await?
            }
        };
        if matches!(event, Event::Found(_) | Event::Created) {
            *failures = 0;
        }
        Ok(event)
    }

    /// Bytes of an entry.
    pub(crate) async fn entry(&self, sequence: Sequence) -> Result<Option<Bytes>, LogError> {
        self.read(&file(&self.entries, sequence)).await
    }

    /// Bytes of a snapshot.
    pub(crate) async fn snapshot(&self, sequence: Sequence) -> Result<Option<Bytes>, LogError> {
        self.read(&file(&self.snapshots, sequence)).await
    }

    /// Where the entry numbered `sequence` is or should be, below the lake's root.
    pub(crate) fn entry_path(&self, sequence: Sequence) -> Path {
        file(&self.entries, sequence)
    }

    /// Where the snapshot numbered `sequence` is or should be, below the lake's root.
    pub(crate) fn snapshot_path(&self, sequence: Sequence) -> Path {
        file(&self.snapshots, sequence)
    }

    /// Sequences of the entries that are there, from `from` on, rising. The store does not list those before.
    pub(crate) async fn sequences(&self, from: Sequence) -> Result<Vec<Sequence>, LogError> {
        let listed = self.list(&self.entries, from).await?.into_iter().map(|(sequence, _)| sequence);
        let mut sequences: Vec<_> = listed.filter(|sequence| *sequence >= from).collect();
        sequences.sort_unstable();
        Ok(sequences)
    }

    /// Sequences of the snapshots that are there, rising.
    pub(crate) async fn snapshots(&self) -> Result<Vec<Sequence>, LogError> {
        let listed = self.list(&self.snapshots, 0).await?.into_iter().map(|(sequence, _)| sequence);
        let mut sequences: Vec<_> = listed.collect();
        sequences.sort_unstable();
        Ok(sequences)
    }

    async fn create(&self, path: &Path, bytes: &Bytes, failures: &mut u32) -> Result<Event, LogError> {
        let put = self.store.put_opts(path, PutPayload::from(bytes.clone()), PutMode::Create.into());
        let Err(error) = self.in_time(path, put).await else { return Ok(Event::Created) };
        *failures += 1;
        let what = || format!("create `{path}`");
        if is_permanent(&error) || *failures >= self.retry.attempts {
            return Err(self.error(what(), *failures, error));
        }
        let lost_race = matches!(error, Error::AlreadyExists { .. } | Error::Precondition { .. });
        if !lost_race || *failures > 1 {
            self.wait(&what(), *failures, &error).await;
        }
        Ok(Event::NotCreated)
    }

    async fn read(&self, path: &Path) -> Result<Option<Bytes>, LogError> {
        let read = self.again(format!("read `{path}`"), || async {
            let get = async { self.store.get(path).await?.bytes().await };
            match self.in_time(path, get).await {
                Err(Error::NotFound { .. }) => Ok(None),
                other => other.map(Some),
            }
        });
        read.await
    }

    /// Entries or snapshots in `folder`, from `from` on. Objects of other names are none of ours.
    async fn list(&self, folder: &Path, from: Sequence) -> Result<Vec<(Sequence, Path)>, LogError> {
        let before = from.checked_sub(1).map(|before| file(folder, before));
        let listed = self.again(format!("list `{folder}`"), || async {
            let listed = match &before {
                Some(before) => self.store.list_with_offset(Some(folder), before),
                None => self.store.list(Some(folder)),
            };
            self.in_time(folder, listed.try_collect::<Vec<_>>()).await
        });
        let paths = listed.await?.into_iter().map(|meta| meta.location);
        Ok(paths.filter_map(|path| Some((sequence_of(&path)?, path))).collect())
    }

    async fn list_files(&self) -> Result<Vec<String>, LogError> {
        let mut files = Vec::new();
        for table in &self.tables {
            let listed = self.again(format!("list `{table}`"), || {
                self.store.list(Some(table)).map_ok(|meta| meta.location.to_string()).try_collect::<Vec<_>>()
            });
            files.extend(listed.await?);
        }
        Ok(files)
    }

    async fn delete_below(&self, folder: &Path, below: Sequence) -> Result<Event, LogError> {
        let listed = self.list(folder, 0).await?.into_iter();
        let doomed = listed.filter(|(sequence, _)| *sequence < below).map(|(_, path)| path);
        self.delete(doomed.collect()).await
    }

    async fn delete(&self, paths: Vec<Path>) -> Result<Event, LogError> {
        let deletion = self.again(format!("delete {} objects", paths.len()), || async {
            let paths = stream::iter(paths.clone().into_iter().map(Ok)).boxed();
            let mut results = self.store.delete_stream(paths);
            while let Some(result) = results.next().await {
                match result {
                    Ok(_) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        });
        deletion.await?;
        Ok(Event::Deleted)
    }

    /// Asks until the answer is good, permanent or patience is at its end.
    async fn again<T, F>(&self, what: String, ask: impl Fn() -> F) -> Result<T, LogError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut failures = 0;
        loop {
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            failures += 1;
            if is_permanent(&error) || failures >= self.retry.attempts {
                return Err(self.error(what, failures, error));
            }
            self.wait(&what, failures, &error).await;
        }
    }

    /// A request that takes too long has an unknown outcome, like any other error.
    async fn in_time<T>(
        &self,
        path: &Path,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let timeout = self.retry.request_timeout;
        tokio::time::timeout(timeout, request).await.unwrap_or_else(|_| {
            let source = format!("no answer about `{path}` within {timeout:?}").into();
            Err(Error::Generic { store: "checkpoint log", source })
        })
    }

    async fn wait(&self, what: &str, failures: u32, error: &Error) {
        let delay = self.retry.delay(failures);
        tracing::warn!(what, failures, ?delay, %error, "the object store did not confirm; asking again");
        tokio::time::sleep(delay).await;
    }

    fn error(&self, what: String, attempts: u32, source: Error) -> LogError {
        LogError::Store { what, store: self.store.to_string(), attempts, source }
    }
}

/// `entries/00000000000000000042.json`: sorts as text like the numbers do.
fn file(folder: &Path, sequence: Sequence) -> Path {
    folder.clone().join(format!("{sequence:020}.json"))
}

fn sequence_of(path: &Path) -> Option<Sequence> {
    path.filename()?.strip_suffix(".json")?.parse().ok()
}

fn found(bytes: Option<Bytes>) -> Event {
    bytes.map_or(Event::NotFound, Event::Found)
}
