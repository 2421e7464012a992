//! Puts a built plugin where a running process looks for new ones: first beside, then renamed, its settings
//! before itself, so that nobody sees half of it or the plugin without them.

use std::io;
use std::path::{Path, PathBuf};

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

/// Drops what was built into a folder.
pub fn drop_in(folder: &PluginFolder, built: &Built, into: &Path) -> Result<DroppedIn, DropInError> {
    if !into.is_dir() {
        return Err(DropInError::NoFolder { into: into.to_owned() });
    }
    let settings = into.join(format!("{}.toml", folder.name()));
    let settings = match folder.settings().is_file() && !settings.exists() {
        true => Some(copy(&folder.settings(), settings)?),
        false => None,
    };
    let file = copy(&built.file, into.join(format!("{}.wasm", folder.name())))?;
    Ok(DroppedIn { file, settings })
}

fn copy(from: &Path, to: PathBuf) -> Result<PathBuf, DropInError> {
    let bytes = std::fs::read(from).map_err(|source| DropInError::Io { path: from.to_owned(), source })?;
    match write_in_one_piece(&to, &bytes) {
        Ok(()) => Ok(to),
        Err(source) => Err(DropInError::Io { path: to, source }),
    }
}
