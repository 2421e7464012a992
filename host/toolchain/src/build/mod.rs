//! From a plugin's folder to its `.wasm` file: one module for each language, and around them what is the same
//! for all: nothing is built that is there, nothing is written that a host would refuse.

mod c;
mod javascript;
mod python;
mod rust;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

pub(crate) use self::rust::path_dependencies;
use crate::cache::write_in_one_piece;
use crate::record::Place;
use crate::{BuildError, Language, PluginFolder, check};

/// A plugin that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The file.
    pub file: PathBuf,
    /// True if nothing was newer than the file, and nothing was done.
    pub fresh: bool,
    /// What made it, for people: `rustc 1.95.0 (…)`, `componentize-py 0.25.1`.
    pub way: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub digest: String,
    /// Time that the build took.
    pub duration: Duration,
}

/// What a language's build hands over.
pub(crate) struct Made {
    /// A component, or a core module that a host makes one of.
    pub(crate) wasm: Vec<u8>,
    pub(crate) way: String,
    /// Sources that it read outside the plugin's folder, and maybe some within.
    pub(crate) elsewhere: Vec<PathBuf>,
}

/// Builds the plugin, unless no source is newer than what was built; `out` is the file to write, the plugin's
/// name in its folder if there is none. Blocks for seconds, the first time for minutes. Compilers write to
/// standard error as they like; `say` hears one line for each long step. The file is there whole or, after an
/// error, as it was.
pub fn build(
    folder: &PluginFolder,
    out: Option<&Path>,
    say: &mut dyn FnMut(&str),
) -> Result<Built, BuildError> {
    let start = Instant::now();
    let out = out.map_or_else(|| folder.built(), Path::to_owned);
    let file = std::path::absolute(&out).map_err(|source| BuildError::io(&out, source))?;
    let mut place = Place::of(folder, &file)?;
    let sources = folder.sources().map_err(|source| BuildError::io(folder.path(), source))?;
    if let Some(record) = place.fresh(&sources) {
        let (way, digest) = (record.way, record.digest);
        return Ok(Built { file, fresh: true, way, bytes: record.bytes, digest, duration: start.elapsed() });
    }
    let made = match folder.language() {
        Language::Rust => rust::make(folder, say),
        Language::Python => python::make(folder, say),
        Language::Javascript => javascript::make(folder, say),
        Language::C => c::make(folder, say),
    }?;
    let name = || folder.name().to_owned();
    check::imports(&made.wasm).map_err(|problem| BuildError::Import { name: name(), problem })?;
    write_in_one_piece(&file, &made.wasm).map_err(|source| BuildError::io(&file, source))?;
    let digest = hex::encode(Sha256::digest(&made.wasm));
    place.remember(sources, &made, &digest)?;
    let bytes = made.wasm.len() as u64;
    Ok(Built { file, fresh: false, way: made.way, bytes, digest, duration: start.elapsed() })
}

/// The SDK of the plugin, which only Rust's build finds by itself.
fn sdk(folder: &PluginFolder) -> Result<PathBuf, BuildError> {
    let missing = || BuildError::NoSdk { folder: folder.path().to_owned(), language: folder.language() };
    folder.sdk().ok_or_else(missing)
}

/// The SDK's files, if it lies outside the plugin's folder or is a link that leads there.
fn elsewhere(folder: &PluginFolder, sdk: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let sdk = sdk.canonicalize().map_err(|source| BuildError::io(sdk, source))?;
    if sdk.starts_with(folder.path()) {
        return Ok(Vec::new());
    }
    let files = crate::Sources::of(&sdk).map_err(|source| BuildError::io(&sdk, source))?;
    Ok(files.into_files())
}

/// Reads what a compiler wrote.
fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    std::fs::read(path).map_err(|source| BuildError::io(path, source))
}

/// A folder for what a compiler writes.
fn scratch() -> Result<tempfile::TempDir, BuildError> {
    tempfile::tempdir().map_err(|source| BuildError::io(&std::env::temp_dir(), source))
}
