//! Puts a built plugin where a running process looks for new ones: first beside, then renamed, its settings
//! before itself, so that nobody sees half of it or the plugin without them.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::cache::write_in_one_piece;
use crate::{Built, PluginFolder};

/// A plugin was not dropped in.
#[derive(Debug, thiserror::Error)]
pub enum DropInError {
    /// There is no such folder; a misspelt one would take plugins that nobody runs.
    #[error("there is no folder {} to drop the plugin into", into.display())]
    NoFolder {
        /// The folder.
        into: PathBuf,
    },
    /// The file holds other bytes than the build wrote; nobody has tested them.
    #[error("{} was written again after it was built: build it once more", file.display())]
    Changed {
        /// The file.
        file: PathBuf,
    },
    /// The system did not let it.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedIn {
    /// The plugin.
    pub file: PathBuf,
    /// Its settings, if the plugin's folder has some and this one had none. Settings that are there stay: they
    /// are the grants of whoever runs the plugin.
    pub settings: Option<PathBuf>,
}

/// Drops what was built into a folder: the very bytes of that build, or nothing.
pub fn drop_in(folder: &PluginFolder, built: &Built, into: &Path) -> Result<DroppedIn, DropInError> {
    if !into.is_dir() {
        return Err(DropInError::NoFolder { into: into.to_owned() });
    }
    let bytes = read(&built.file)?;
    if hex::encode(Sha256::digest(&bytes)) != built.digest {
        return Err(DropInError::Changed { file: built.file.clone() });
    }
    let settings = into.join(format!("{}.toml", folder.name()));
    let settings = match folder.settings().is_file() && !settings.exists() {
        true => Some(write(settings, &read(&folder.settings())?)?),
        false => None,
    };
    let file = write(into.join(format!("{}.wasm", folder.name())), &bytes)?;
    Ok(DroppedIn { file, settings })
}

fn read(path: &Path) -> Result<Vec<u8>, DropInError> {
    std::fs::read(path).map_err(|source| DropInError::Io { path: path.to_owned(), source })
}

fn write(path: PathBuf, bytes: &[u8]) -> Result<PathBuf, DropInError> {
    match write_in_one_piece(&path, bytes) {
        Ok(()) => Ok(path),
        Err(source) => Err(DropInError::Io { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_the_bytes_that_were_built_are_dropped_in() {
        let temporary = tempfile::tempdir().unwrap();
        let (source, into) = (temporary.path().join("gauge"), temporary.path().join("plugins"));
        std::fs::create_dir(&source).unwrap();
        std::fs::create_dir(&into).unwrap();
        std::fs::write(source.join("plugin.c"), "").unwrap();
        std::fs::write(source.join("gauge.toml"), "").unwrap();
        let folder = PluginFolder::open(&source).unwrap();
        let built = Built {
            file: folder.built(),
            fresh: false,
            way: String::new(),
            bytes: 5,
            digest: hex::encode(Sha256::digest("built")),
            duration: Duration::ZERO,
        };
        std::fs::write(&built.file, "other").unwrap();
        let error = drop_in(&folder, &built, &into).unwrap_err();
        assert!(matches!(error, DropInError::Changed { .. }), "{error}");
        assert_eq!(std::fs::read_dir(&into).unwrap().count(), 0, "something was written");
        std::fs::write(&built.file, "built").unwrap();
        let dropped = drop_in(&folder, &built, &into).unwrap();
        assert_eq!(std::fs::read(dropped.file).unwrap(), b"built");
        assert_eq!(dropped.settings, Some(into.join("gauge.toml")));
    }
}
