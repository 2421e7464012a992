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

    /// Keeps a compiled plugin. A failure costs only time at the next start.
    pub(crate) fn put(&self, digest: &Digest, component: &Component) {
        let compiled = component.serialize().map_err(|error| io::Error::other(error.to_string()));
        if let Err(error) = compiled.and_then(|compiled| write_whole(&self.path(digest), &compiled)) {
            tracing::warn!(plugin = %digest.short(), %error, "a compiled plugin could not be kept");
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
    let mut file = create_private(&unfinished)?;
    file.write_all(Digest::of(content).to_string().as_bytes())?;
    file.write_all(content)?;
    fs::rename(&unfinished, path)
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
