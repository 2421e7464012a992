//! The cache folder, and what is put into it once: complete or absent, and by one process at a time.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::BuildError;

const VARIABLE: &str = "MILLSTREAM_CACHE";

/// Where tools and records of builds are kept: `$MILLSTREAM_CACHE`, else `$XDG_CACHE_HOME/millstream`, else
/// `~/.cache/millstream`. It need not be there yet.
pub fn cache_folder() -> Result<PathBuf, BuildError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set(VARIABLE)
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("millstream")))
        .or_else(|| Some(std::env::home_dir()?.join(".cache/millstream")))
        .ok_or(BuildError::NoCache)?;
    std::path::absolute(&folder).map_err(|source| BuildError::io(&folder, source))
}

/// A lock that other processes see; held until it is dropped.
pub(crate) fn lock(path: &Path) -> Result<File, BuildError> {
    let locked = || -> io::Result<File> {
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        let file = File::create(path)?;
        file.lock()?;
        Ok(file)
    };
    locked().map_err(|source| BuildError::io(path, source))
}

/// The folder `name` of the cache, made by `install` in a folder that is renamed when it is complete.
pub(crate) fn once(
    name: &str,
    install: impl FnOnce(&Path) -> Result<(), BuildError>,
) -> Result<PathBuf, BuildError> {
    let cache = cache_folder()?;
    let folder = cache.join(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    let _alone = lock(&cache.join(format!("{name}.lock")))?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let unfinished = cache.join(format!("{name}.unfinished"));
    let fail = |source| BuildError::io(&unfinished, source);
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).map_err(fail)?;
    }
    std::fs::create_dir_all(&unfinished).map_err(fail)?;
    if let Err(error) = install(&unfinished) {
        // The error is what matters; what is left is removed before the next try.
        let _ = std::fs::remove_dir_all(&unfinished);
        return Err(error);
    }
    std::fs::rename(&unfinished, &folder).map_err(fail)?;
    Ok(folder)
}

/// Writes a file in one piece: whoever looks sees the old one, the new one or none.
pub(crate) fn write_in_one_piece(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.partial", std::process::id()));
    let unfinished = path.with_file_name(name);
    let written = std::fs::write(&unfinished, bytes).and_then(|()| std::fs::rename(&unfinished, path));
    if written.is_err() {
        // The error is what matters.
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}
