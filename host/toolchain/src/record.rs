//! What is remembered of a build, in the cache folder: it says later whether anything would come out differently.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::build::Made;
use crate::cache::{cache_folder, lock, write_in_one_piece};
use crate::sources::Sources;
use crate::{BuildError, PluginFolder};

/// A build, and what it was made of.
#[derive(Serialize, Deserialize)]
pub(crate) struct Record {
    /// Version of millstream that built it.
    millstream: String,
    /// Of all sources, before the build.
    sources: String,
    /// Of the file that was made.
    file: String,
    /// Sources outside the plugin's folder.
    elsewhere: Vec<PathBuf>,
    pub(crate) way: String,
    pub(crate) digest: String,
    pub(crate) bytes: u64,
}

/// Where the record of one file lies; whoever holds this is alone at building it.
pub(crate) struct Place {
    path: PathBuf,
    out: PathBuf,
    _alone: std::fs::File,
}

impl Place {
    /// That of the build of `folder` to `out`; waits for whoever is at it.
    pub(crate) fn of(folder: &PluginFolder, out: &Path) -> Result<Self, BuildError> {
        let key = format!("{}\0{}", folder.path().display(), out.display());
        let key = hex::encode(&Sha256::digest(key)[..8]);
        let path = cache_folder()?.join("built").join(format!("{key}.json"));
        let alone = lock(&path.with_extension("lock"))?;
        Ok(Self { path, out: out.to_owned(), _alone: alone })
    }

    /// The last build, unless something has changed since then.
    pub(crate) fn fresh(&self, sources: &Sources) -> Option<Record> {
        let record: Record = serde_json::from_slice(&std::fs::read(&self.path).ok()?).ok()?;
        let now = sources.clone().and(&record.elsewhere).fingerprint();
        let same = record.millstream == env!("CARGO_PKG_VERSION")
            && record.sources == now
            && record.file == self.file();
        same.then_some(record)
    }

    /// Remembers a build whose file is written.
    pub(crate) fn remember(&self, sources: Sources, made: &Made, digest: &str) -> Result<(), BuildError> {
        let record = Record {
            millstream: env!("CARGO_PKG_VERSION").to_owned(),
            sources: sources.and(&made.elsewhere).fingerprint(),
            file: self.file(),
            elsewhere: made.elsewhere.clone(),
            way: made.way.clone(),
            digest: digest.to_owned(),
            bytes: made.wasm.len() as u64,
        };
        let json = serde_json::to_vec(&record).expect("strings and numbers are JSON");
        write_in_one_piece(&self.path, &json).map_err(|source| BuildError::io(&self.path, source))
    }

    fn file(&self) -> String {
        Sources::default().and(std::slice::from_ref(&self.out)).fingerprint()
    }
}
