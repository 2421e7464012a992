//! Whether a lake is what its log says: the chain of entries, snapshots against the fold, live files with
//! their sizes, plugins with their digests. Reads everything and writes nothing; a lake in use may be
//! verified. Findings go to an observer one by one, so that memory does not grow with the log.

mod history;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use millstream_log::LogState;
use millstream_model::Digest;
use millstream_model::entry::{DataFile, Sequence};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::error::UpkeepError;
use super::finding::Finding;
use super::{Done, footer, inventory};
use crate::checkpoint::{LogStore, RetryPolicy};
use crate::lake::Lake;
use crate::library::PLUGIN_FOLDER;
use crate::start::LOG_FOLDER;
use history::History;

/// Footers that are read at once.
const FOOTERS_AT_ONCE: usize = 8;

/// What verification tells its observer.
#[derive(Debug)]
pub enum Observed {
    /// How far it is.
    Done(Done),
    /// Something is not as it should be.
    Found(Finding),
}

/// What was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Head of the log.
    pub head: Sequence,
    /// Entries that are there.
    pub entries: u64,
    /// Snapshots that are there.
    pub snapshots: u64,
    /// Live files that are there as committed.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their rows, as the log says; with `deep`, as their footers say, too.
    pub rows: u64,
    /// Plugins that are there.
    pub plugins: u64,
    /// Findings that are problems.
    pub problems: u64,
}

/// Verifies `lake`; with `deep`, also the rows of each live file by its Parquet footer.
pub async fn verify(
    lake: &Lake,
    deep: bool,
    observe: &mut dyn FnMut(Observed),
) -> Result<Verified, UpkeepError> {
    let log = LogStore::new(lake.store(), Path::from(LOG_FOLDER), RetryPolicy::default());
    let mut verifier = Verifier { lake, store: lake.store(), observe, verified: Verified::default() };
    let history = History::new(&log);
    match history.read(&mut verifier).await? {
        Some((state, named)) => {
            verifier.verified.head = state.sequence();
            verifier.files(&state, &named, deep).await?;
            verifier.plugins(&state).await?;
        }
        None => verifier.found(Finding::FilesUnknown),
    }
    Ok(verifier.verified)
}

/// What all parts of a verification share.
struct Verifier<'a> {
    lake: &'a Lake,
    store: Arc<dyn ObjectStore>,
    observe: &'a mut dyn FnMut(Observed),
    verified: Verified,
}

impl Verifier<'_> {
    fn found(&mut self, finding: Finding) {
        self.verified.problems += u64::from(finding.is_problem());
        (self.observe)(Observed::Found(finding));
    }

    fn done(&mut self, what: &'static str, done: u64, of: u64) {
        (self.observe)(Observed::Done(Done { what, done, of }));
    }

    /// Every live file is there with its size, by a list of what is there.
    async fn files(
        &mut self,
        state: &LogState,
        named: &history::NamedBy,
        deep: bool,
    ) -> Result<(), UpkeepError> {
        let sizes = inventory::table_files(self.lake).await?;
        let mut sound = Vec::new();
        for file in state.files().values().flat_map(|files| files.values()) {
            let place = self.lake.display_path(&file.path);
            let (table, entry) = (file.table.clone(), named.get(&file.path).copied());
            match sizes.get(&file.path) {
                None => self.found(Finding::FileMissing { place, table, rows: file.rows, entry }),
                Some(bytes) if *bytes != file.bytes => {
                    let what = format!("it has {bytes} bytes and had {}", file.bytes);
                    self.found(Finding::FileDiffers { place, table, what, entry });
                }
                Some(_) => sound.push(file),
            }
        }
        if deep {
            self.footers(&sound, named).await;
        }
        self.verified.files = sound.len() as u64;
        self.verified.bytes = sound.iter().map(|file| file.bytes).sum();
        self.verified.rows = sound.iter().map(|file| file.rows).sum();
        Ok(())
    }

    async fn footers(&mut self, files: &[&DataFile], named: &history::NamedBy) {
        let store = self.store.clone();
        let reads = stream::iter(files).map(|file| async { (*file, footer::rows(&*store, file).await) });
        let mut reads = std::pin::pin!(reads.buffered(FOOTERS_AT_ONCE));
        let mut done = 0;
        while let Some((file, rows)) = reads.next().await {
            done += 1;
            self.done("files read", done, files.len() as u64);
            let what = match rows {
                Ok(rows) if rows == file.rows => continue,
                Ok(rows) => format!("it has {rows} rows and had {}", file.rows),
                Err(error) => error.to_string(),
            };
            self.found(Finding::FileDiffers {
                place: self.lake.display_path(&file.path),
                table: file.table.clone(),
                what,
                entry: named.get(&file.path).copied(),
            });
        }
    }

    /// Every plugin that a step runs is there, and every plugin's bytes are those of its name.
    async fn plugins(&mut self, state: &LogState) -> Result<(), UpkeepError> {
        let kept = inventory::plugins(self.lake).await?;
        let mut missing = BTreeSet::new();
        for used in state.plugins() {
            let path = format!("{PLUGIN_FOLDER}/{}.wasm", used.plugin);
            if !kept.contains_key(&path) && missing.insert(path.clone()) {
                let step = format!("{}/{}", used.stream, used.step);
                self.found(Finding::PluginMissing { place: self.lake.display_path(&path), step });
            }
        }
        // Signatures lie beside the plugins; they are checked with the keys, when a plugin is loaded.
        for path in kept.keys().filter(|path| !path.ends_with(".wasm.minisig")) {
            let location = Path::from(path.as_str());
            let bytes = async { self.store.get(&location).await?.bytes().await }.await;
            let bytes = bytes.map_err(|source| UpkeepError::Store {
                what: format!("read `{path}`"),
                lake: self.lake.url().to_owned(),
                source,
            })?;
            let name = location.filename().and_then(|name| name.strip_suffix(".wasm"));
            match name == Some(&Digest::of(&bytes).to_string()) {
                true => self.verified.plugins += 1,
                false => self.found(Finding::PluginDiffers { place: self.lake.display_path(path) }),
            }
        }
        Ok(())
    }
}
