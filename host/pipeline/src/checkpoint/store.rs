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
use crate::store::{Attempts, RetryPolicy};

/// What `exclusive` holds, whoever writes it.
const EXCLUSIVE: &str = "whoever creates this object a second time must be refused\n";

#[derive(Debug)]
pub(crate) struct LogStore {
    store: Arc<dyn ObjectStore>,
    entries: Path,
    snapshots: Path,
    /// An object that is there once something was written, and that nobody may create again.
    exclusive: Path,
    /// Folders that hold data files, for the cleaner.
    tables: Vec<Path>,
    retry: RetryPolicy,
}

impl LogStore {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: Path, retry: RetryPolicy) -> Self {
        let [entries, snapshots, exclusive] =
            ["entries", "snapshots", "exclusive"].map(|name| prefix.clone().join(name));
        Self { store, entries, snapshots, exclusive, tables: Vec::new(), retry }
    }

    /// Begins an operation of the protocol.
    pub(super) fn begin(&self) -> Attempts {
        self.retry.begin()
    }

    pub(super) fn set_tables(&mut self, tables: &[Path]) {
        self.tables = tables.to_vec();
    }

    /// Performs one action. `attempts` are the unconfirmed creates since something was last found.
    pub(super) async fn perform(&self, action: &Action, attempts: &mut Attempts) -> Result<Event, LogError> {
        Ok(match action {
            Action::ReadBoundary => Event::Boundary(self.snapshots().await?.pop().unwrap_or(0)),
            Action::GetSnapshot(sequence) => found(self.snapshot(*sequence).await?),
            Action::Get(sequence) => found(self.entry(*sequence).await?),
            Action::Create { sequence, bytes } => {
                self.create(&file(&self.entries, *sequence), bytes, attempts).await?
            }
            Action::CreateSnapshot { sequence, bytes } => {
                self.create(&file(&self.snapshots, *sequence), bytes, attempts).await?
            }
            Action::DeleteEntries { below } => self.delete_below(&self.entries, *below).await?,
            Action::DeleteSnapshots { below } => self.delete_below(&self.snapshots, *below).await?,
            Action::ListFiles => Event::Files(self.list_files().await?),
            Action::DeleteFiles(paths) => {
                self.delete(paths.iter().map(|path| Path::from(path.as_str())).collect()).await?
            }
        })
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

    async fn create(&self, path: &Path, bytes: &Bytes, attempts: &mut Attempts) -> Result<Event, LogError> {
        self.check_exclusive().await?;
        let put = self.store.put_opts(path, PutPayload::from(bytes.clone()), PutMode::Create.into());
        let Err(error) = self.in_time(path, put).await else { return Ok(Event::Created) };
        let what = format!("create `{path}`");
        // A lost race is what a first refusal means most often, and then there is nothing to wait for.
        let go_on = match is_refusal(&error) && attempts.failures() == 0 {
            true => attempts.failed(&error).is_some(),
            false => attempts.go_on(&what, &error).await,
        };
        if go_on { Ok(Event::NotCreated) } else { Err(self.error(what, attempts.failures(), error)) }
    }

    /// Makes sure that the store still refuses to create what is there. An object that is always the same
    /// can be tried without harm, and only its second creation in a row proves anything: a person may have
    /// deleted it.
    async fn check_exclusive(&self) -> Result<(), LogError> {
        for _ in 0..2 {
            let created = self.again(format!("create `{}`", self.exclusive), || async {
                let put = self.store.put_opts(&self.exclusive, EXCLUSIVE.into(), PutMode::Create.into());
                match self.in_time(&self.exclusive, put).await {
                    Ok(_) => Ok(true),
                    Err(error) if is_refusal(&error) => Ok(false),
                    Err(error) => Err(error),
                }
            });
            if !created.await? {
                return Ok(());
            }
        }
        let path = self.exclusive.to_string();
        Err(LogError::NotExclusive { path, store: self.store.to_string() })
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
        let mut attempts = self.begin();
        loop {
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !attempts.go_on(&what, &error).await {
                return Err(self.error(what, attempts.failures(), error));
            }
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

    fn error(&self, what: String, attempts: u32, source: Error) -> LogError {
        LogError::Store { what, store: self.store.to_string(), attempts, source }
    }
}

/// True if the store says that the object is there.
fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::AlreadyExists { .. } | Error::Precondition { .. })
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
