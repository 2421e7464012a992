//! What is remembered of a build, in the plugin's folder: it says later whether anything would come out
//! differently.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::build::Made;
use crate::sources::Sources;
use crate::{BuildError, PluginFolder};

/// Folder of records within a plugin's; it tells git to pass it by.
const FOLDER: &str = ".millstream";

/// A build, and what it was made of.
#[derive(Serialize, Deserialize)]
pub(crate) struct Record {
    /// Version of millstream that built it.
    millstream: String,
    /// Of all sources, before the build.
    sources: String,
    /// Of the file that was made.
    file: String,
    /// Sources outside the plugin's folder, and those within that its compiler named.
    elsewhere: Vec<PathBuf>,
    pub(crate) way: String,
    pub(crate) digest: String,
    pub(crate) bytes: u64,
}

/// The record of one file; whoever holds this is alone at building it.
pub(crate) struct Place {
    path: PathBuf,
    file: File,
    out: PathBuf,
}

impl Place {
    /// That of the build of `folder` to `out`; waits for whoever is at it.
    pub(crate) fn of(folder: &PluginFolder, out: &Path) -> Result<Self, BuildError> {
        let records = folder.path().join(FOLDER);
        let path = records.join(name(out));
        let file = open(&records, &path).map_err(|source| BuildError::io(&path, source))?;
        Ok(Self { path, file, out: out.to_owned() })
    }

    /// The last build, unless something has changed since then.
    pub(crate) fn fresh(&mut self, sources: &Sources) -> Option<Record> {
        let mut json = String::new();
        self.file.read_to_string(&mut json).ok()?;
        let record: Record = serde_json::from_str(&json).ok()?;
        let now = sources.clone().and(&record.elsewhere).fingerprint();
        let same = record.millstream == env!("CARGO_PKG_VERSION")
            && record.sources == now
            && record.file == self.made();
        same.then_some(record)
    }

    /// Remembers a build whose file is written. A record that is cut short is no record.
    pub(crate) fn remember(mut self, sources: Sources, made: &Made, digest: &str) -> Result<(), BuildError> {
        let record = Record {
            millstream: env!("CARGO_PKG_VERSION").to_owned(),
            sources: sources.and(&made.elsewhere).fingerprint(),
            file: self.made(),
            elsewhere: made.elsewhere.clone(),
            way: made.way.clone(),
            digest: digest.to_owned(),
            bytes: made.wasm.len() as u64,
        };
        let json = serde_json::to_vec(&record).expect("strings and numbers are JSON");
        let written = self.file.set_len(0).and_then(|()| self.file.rewind());
        let written = written.and_then(|()| self.file.write_all(&json));
        written.map_err(|source| BuildError::io(&self.path, source))
    }

    fn made(&self) -> String {
        Sources::default().and(std::slice::from_ref(&self.out)).fingerprint()
    }
}

/// What the last build of `folder` to its own file read elsewhere; nothing if there is no record of one.
pub(crate) fn elsewhere(folder: &PluginFolder) -> Vec<PathBuf> {
    let json = std::fs::read(folder.path().join(FOLDER).join(name(&folder.built()))).unwrap_or_default();
    serde_json::from_slice::<Record>(&json).map_or_else(|_| Vec::new(), |record| record.elsewhere)
}

/// Name of the record of the build of a file.
fn name(out: &Path) -> String {
    let key = hex::encode(&Sha256::digest(out.as_os_str().as_encoded_bytes())[..4]);
    format!("built-{key}.json")
}

fn open(folder: &Path, path: &Path) -> io::Result<File> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(".gitignore"), "*\n")?;
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    file.lock()?;
    Ok(file)
}
