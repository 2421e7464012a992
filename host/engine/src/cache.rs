//! Compiled plugins on disk, by digest: compiling takes seconds, loading milliseconds. What lies here is
//! run as native code, so the folder must belong to this user alone and each file carries its digest.

use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_model::Digest;
use wasmtime::component::Component;

use crate::functions::{self, FunctionStore};

/// Bytes of the digest in front of each file.
const DIGEST_LENGTH: usize = 64;
/// Bytes of compiled plugins that are kept at most; a plugin with an interpreter has about 60 MB.
const BYTES_MAX: u64 = 1 << 30;

/// The folder for compiled plugins cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be created, read or written.
    #[error("the folder for compiled plugins {} cannot be used: {source}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others could put native code into it.
    #[error(
        "the folder for compiled plugins {} is not private ({found}): \
         what lies in it is run as native code; make it yours alone with mode 0700, or name another",
        path.display()
    )]
    NotPrivate {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
}

/// An opened folder of compiled plugins.
#[derive(Debug)]
pub(crate) struct CompiledCache {
    folder: PathBuf,
    /// Names the compiler and its settings.
    compatibility: u64,
    functions: Arc<FunctionStore>,
}

impl CompiledCache {
    pub(crate) fn open(
        folder: &Path,
        engine: &wasmtime::Engine,
        functions: Arc<FunctionStore>,
    ) -> Result<Self, CacheError> {
        let fail = |source| CacheError::Io { path: folder.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fail)?;
        let folder = folder.canonicalize().map_err(fail)?;
        check_private(&folder)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        Ok(Self { folder, compatibility: hasher.finish(), functions })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{digest}-{:016x}.cwasm", self.compatibility))
    }

    /// True if the compiled plugin is here.
    pub(crate) fn contains(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// The compiled plugin, if it is here and whole.
    pub(crate) fn get(&self, engine: &wasmtime::Engine, digest: &Digest) -> Option<Component> {
        let compiled = read_whole(&self.path(digest))?;
        // SAFETY: the bytes come from `Component::serialize`, called in `put`: the digest in front of them
        // shows that they are whole, the name that this very compiler configuration made them, and `open`
        // found the folder to be this user's with no access for anyone else.
        unsafe { Component::deserialize(engine, compiled) }.ok()
    }

    /// Keeps a compiled plugin in place of the oldest ones. A failure costs only time at the next start.
    pub(crate) fn put(&self, digest: &Digest, component: &Component) {
        let compiled = component.serialize().map_err(|error| io::Error::other(error.to_string()));
        if let Err(error) = compiled.and_then(|compiled| write_whole(&self.path(digest), &compiled)) {
            tracing::warn!(plugin = %digest.short(), %error, "a compiled plugin could not be kept");
        }
        let functions = functions::file_in(&self.folder, self.compatibility);
        if let Err(error) = tidy(&self.folder, &functions, BYTES_MAX) {
            tracing::warn!(folder = %self.folder.display(), %error, "old compiled plugins could not be removed");
        }
    }

    /// Compiles `component` with the functions that others of its kind have left here.
    pub(crate) fn compile<T>(&self, component: &[u8], compile: impl FnOnce() -> T) -> T {
        self.functions.during(&functions::file_in(&self.folder, self.compatibility), component, compile)
    }
}

/// What a file holds behind the digest in front, if it is there and whole.
pub(crate) fn read_whole(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = fs::read(path).ok()?;
    let (stated, content) = bytes.split_at_checked(DIGEST_LENGTH)?;
    if stated != Digest::of(content).to_string().as_bytes() {
        tracing::warn!(file = %path.display(), "compiled code is damaged; it is compiled again");
        return None;
    }
    Some(bytes.split_off(DIGEST_LENGTH))
}

/// Writes a file with its digest in front; it is there whole or not at all.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension(format!("{}-{:?}", std::process::id(), std::thread::current().id()));
    let written = write_private(&unfinished, content).and_then(|()| fs::rename(&unfinished, path));
    written.inspect_err(|_| drop(fs::remove_file(&unfinished)))
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = create_private(path)?;
    file.write_all(Digest::of(content).to_string().as_bytes())?;
    file.write_all(content)
}

/// Removes the files of functions but `functions`, as they are of other compilers, and the oldest compiled plugins
/// above `bytes_max`. Files are read as a whole when a plugin is loaded, so one in use may go, too.
fn tidy(folder: &Path, functions: &Path, bytes_max: u64) -> io::Result<()> {
    let mut compiled = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "cwasm") {
            // Another process may have removed it by now.
            let Ok(metadata) = entry.metadata() else { continue };
            compiled.push((metadata.modified()?, metadata.len(), path));
        } else if path != functions && functions::is_file_of_functions(&path) {
            remove(&path)?;
        }
    }
    compiled.sort_unstable();
    let mut bytes = 0;
    for (_, length, path) in compiled.into_iter().rev() {
        bytes += length;
        if bytes > bytes_max {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Removes a file, which another process may have done before.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn create_private(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// The folder must be owned by this process's user and closed to all others.
fn check_private(folder: &Path) -> Result<(), CacheError> {
    let fail = |source| CacheError::Io { path: folder.to_owned(), source };
    let not_private = |found| CacheError::NotPrivate { path: folder.to_owned(), found };
    let metadata = fs::metadata(folder).map_err(fail)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(not_private(format!("its mode is {mode:04o}")));
    }
    let probe = folder.join(format!("probe-{}", std::process::id()));
    let own_user = create_private(&probe).and_then(|file| file.metadata()).map_err(fail)?.uid();
    fs::remove_file(&probe).map_err(fail)?;
    if metadata.uid() != own_user {
        return Err(not_private(format!(
            "it belongs to user {}, this process to {own_user}",
            metadata.uid()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_plugins_and_functions_of_other_compilers_go() {
        let folder = tempfile::tempdir().unwrap();
        let functions = functions::file_in(folder.path(), 7);
        write_whole(&functions, b"own").unwrap();
        write_whole(&functions::file_in(folder.path(), 8), b"other").unwrap();
        fs::write(folder.path().join("notes.bin"), b"").unwrap();
        for (name, age_seconds) in [("a.cwasm", 20), ("b.cwasm", 30), ("c.cwasm", 10)] {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_len(100).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age_seconds)).unwrap();
        }
        let own = functions.file_name().unwrap().to_str().unwrap();
        tidy(folder.path(), &functions, 200).unwrap();
        assert_eq!(names(folder.path()), ["a.cwasm", "c.cwasm", own, "notes.bin"]);
        tidy(folder.path(), &functions, 199).unwrap();
        assert_eq!(names(folder.path()), ["c.cwasm", own, "notes.bin"]);
    }

    #[test]
    fn a_file_that_cannot_be_finished_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        write_whole(&taken, b"bytes").unwrap_err();
        assert_eq!(names(folder.path()), ["taken"]);
    }
}
