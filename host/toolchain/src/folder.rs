//! A plugin's folder: which language its manifest says, the plugin's name, and where its parts lie.

use std::path::{Path, PathBuf};

use crate::build::path_dependencies;
use crate::sources::Sources;
use crate::{Language, record};

/// Longest name of a plugin, in bytes; it becomes a file's name.
const NAME_BYTES_MAX: usize = 64;

/// A folder is none that a plugin can be built of. All are for the author to mend.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is no such folder.
    #[error("there is no folder {}: `millstream plugin new NAME` makes one", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// It has no manifest of any language.
    #[error(
        "{} is not the folder of a plugin: expected Cargo.toml, pyproject.toml, package.json or plugin.c in it; \
         `millstream plugin new NAME` makes one", path.display()
    )]
    NoPlugin {
        /// The folder.
        path: PathBuf,
    },
    /// It has manifests of two languages.
    #[error(
        "{} has {first} and {second}: a plugin is written in one language, move the other one elsewhere",
        path.display()
    )]
    TwoLanguages {
        /// The folder.
        path: PathBuf,
        /// A manifest.
        first: &'static str,
        /// Another one.
        second: &'static str,
    },
    /// The manifest cannot be read, or lacks what is needed.
    #[error("{}: {problem}", file.display())]
    Manifest {
        /// The manifest.
        file: PathBuf,
        /// What is wrong, and what is expected.
        problem: String,
    },
    /// The plugin's name cannot be a file's and a step's.
    #[error("{}: `{name}` {problem}", place.display())]
    Name {
        /// Where the name stands.
        place: PathBuf,
        /// The name.
        name: String,
        /// Why not, and what is expected.
        problem: String,
    },
}

/// The folder of a plugin.
#[derive(Clone, Debug)]
pub struct PluginFolder {
    path: PathBuf,
    name: String,
    language: Language,
}

impl PluginFolder {
    /// Reads the manifest of the folder, and nothing else.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let path = path.canonicalize().map_err(|_| FolderError::Missing { path: path.to_owned() })?;
        let language = language_of(&path)?;
        let name = name_of(&path, language)?;
        Ok(Self { path, name, language })
    }

    /// Where it lies: absolute, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The plugin's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The language that it is written in.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The file that a build makes, there or not.
    pub fn built(&self) -> PathBuf {
        self.path.join(format!("{}.wasm", self.name))
    }

    /// The file of grants, limits and parameters that goes beside the plugin, there or not.
    pub fn settings(&self) -> PathBuf {
        self.path.join(format!("{}.toml", self.name))
    }

    /// The folder of the cases, there or not.
    pub fn cases(&self) -> PathBuf {
        self.path.join("cases")
    }

    /// The sources within the folder as they are now.
    pub fn sources(&self) -> Result<Sources, std::io::Error> {
        Sources::of(&self.path)
    }

    /// Folders outside this one whose sources go into the plugin: crates that it takes by path.
    pub fn dependencies(&self) -> Vec<PathBuf> {
        match self.language {
            Language::Rust => path_dependencies(&self.path).into_iter().collect(),
            Language::Python | Language::Javascript | Language::C => Vec::new(),
        }
    }

    /// Files outside this folder that the last build read, as far as it said so; none before the first one. Lock files
    /// are left out: builds write them.
    pub fn read_elsewhere(&self) -> Vec<PathBuf> {
        let is_watched = |file: &PathBuf| !file.starts_with(&self.path) && !file.ends_with("Cargo.lock");
        record::elsewhere(self).into_iter().filter(is_watched).collect()
    }

    /// The SDK that the plugin is built with: its own, or that of the nearest folder above which has one (this
    /// project's own plugins).
    pub(crate) fn sdk(&self) -> Option<PathBuf> {
        let own = self.path.join("sdk");
        let shared = || {
            let above = self.path.ancestors().skip(1);
            above.map(|folder| folder.join("sdk").join(self.language.folder())).find(|sdk| sdk.is_dir())
        };
        if own.is_dir() { Some(own) } else { shared() }
    }
}

fn language_of(path: &Path) -> Result<Language, FolderError> {
    let mut found = Language::ALL.into_iter().filter(|language| path.join(language.manifest()).is_file());
    match (found.next(), found.next()) {
        (Some(language), None) => Ok(language),
        (Some(one), Some(other)) => Err(FolderError::TwoLanguages {
            path: path.to_owned(),
            first: one.manifest(),
            second: other.manifest(),
        }),
        (None, _) => Err(FolderError::NoPlugin { path: path.to_owned() }),
    }
}

fn name_of(path: &Path, language: Language) -> Result<String, FolderError> {
    let file = path.join(language.manifest());
    let (place, name) = match language {
        Language::C => {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            (path.to_owned(), name.unwrap_or_default())
        }
        _ => (file.clone(), name_in(&file, language)?),
    };
    match check_name(&name) {
        Ok(()) => Ok(name),
        Err(problem) => Err(FolderError::Name { place, name, problem: problem.to_owned() }),
    }
}

fn name_in(file: &Path, language: Language) -> Result<String, FolderError> {
    let fail = |problem: String| FolderError::Manifest { file: file.to_owned(), problem };
    let text = std::fs::read_to_string(file).map_err(|error| fail(error.to_string()))?;
    let (key, manifest): (&str, serde_json::Value) = match language {
        Language::Javascript => {
            ("name", serde_json::from_str(&text).map_err(|error| fail(error.to_string()))?)
        }
        language => {
            let table = if language == Language::Rust { "package" } else { "project" };
            let mut all: toml::Table = toml::from_str(&text).map_err(|error| fail(error.to_string()))?;
            let table = all.remove(table).unwrap_or(toml::Value::Boolean(false));
            let key = if language == Language::Rust { "package.name" } else { "project.name" };
            (key, serde_json::to_value(table).unwrap_or_default())
        }
    };
    let name = manifest.get("name").and_then(serde_json::Value::as_str);
    name.map(str::to_owned).ok_or_else(|| fail(format!("`{key}` is missing: it is the plugin's name")))
}

/// Whether a plugin can be called so; else why not.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(legal) {
        return Err(
            "cannot be the name of a plugin: expected letters, digits, `_` and `-`, beginning with a letter",
        );
    }
    if name.len() > NAME_BYTES_MAX {
        return Err("is too long for the name of a plugin: expected at most 64 letters");
    }
    Ok(())
}
