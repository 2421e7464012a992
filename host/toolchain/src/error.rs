//! Why there is no plugin, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::{FolderError, ImportProblem, Language};

/// A plugin was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder is not that of a plugin.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// What compiles this language is not there, too old, or incomplete.
    #[error("cannot build a plugin in {language}: {problem}; {remedy}")]
    Toolchain {
        /// The language.
        language: Language,
        /// What is missing.
        problem: String,
        /// What to install.
        remedy: String,
    },
    /// A package client could not bring what the language needs; it has said why on standard error.
    #[error(
        "{client} could not install {packages}: see its message above; it is needed once, over the network or \
         from a mirror that {client} is configured for"
    )]
    Install {
        /// `pip` or `npm`.
        client: &'static str,
        /// What it was to install.
        packages: String,
    },
    /// The plugin has no SDK.
    #[error(
        "{} has no folder sdk with the SDK of {language}: copy that of a plugin which \
         `millstream plugin new NAME --lang {}` makes", folder.display(), language.folder()
    )]
    NoSdk {
        /// The plugin's folder.
        folder: PathBuf,
        /// Its language.
        language: Language,
    },
    /// The package compiled, but to nothing that a host could load.
    #[error(
        "{} makes no plugin: write `crate-type = [\"cdylib\", \"rlib\"]` under [lib]", manifest.display()
    )]
    NoLibrary {
        /// The manifest.
        manifest: PathBuf,
    },
    /// The author's code did not compile; the compiler has said why on standard error.
    #[error("plugin `{name}` was not built: its compiler's messages are above")]
    Compile {
        /// The plugin.
        name: String,
    },
    /// The plugin imports what no host gives.
    #[error("plugin `{name}` was not built: {problem}")]
    Import {
        /// The plugin.
        name: String,
        /// What it imports, and why that may be.
        problem: ImportProblem,
    },
    /// No place for tools and records.
    #[error("there is no home folder to keep build tools in: set MILLSTREAM_CACHE to a folder")]
    NoCache,
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl BuildError {
    /// True if the machine, the folder or the command line must be put right, not the plugin's code.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Folder(_) | Self::Toolchain { .. } | Self::Install { .. } | Self::NoSdk { .. } => true,
            Self::NoLibrary { .. } | Self::NoCache => true,
            Self::Compile { .. } | Self::Import { .. } | Self::Io { .. } => false,
        }
    }

    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
