//! A folder as an object store whose puts survive a power cut. `object_store`'s own file system store
//! neither syncs files nor folders, and links a name before its bytes are on the disk; this one
//! stages, syncs, then links or renames, then syncs the folders. Everything but writing is delegated.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

/// Distinguishes the staged files of this process.
static STAGED: AtomicU64 = AtomicU64::new(0);

/// A folder as an object store, see the [module](self).
#[derive(Debug)]
pub struct DurableLocal {
    root: PathBuf,
    inner: Arc<LocalFileSystem>,
}

impl DurableLocal {
    /// Opens `root` and makes it, with its parents, if it is missing.
    pub fn open(root: &FilePath) -> io::Result<Self> {
        make_folders(root)?;
        let root = root.canonicalize()?;
        let inner = Arc::new(LocalFileSystem::new_with_prefix(&root)?);
        Ok(Self { root, inner })
    }

    /// The folder, absolute and without links.
    pub fn root(&self) -> &FilePath {
        &self.root
    }
}

impl fmt::Display for DurableLocal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DurableLocal({})", self.root.display())
    }
}

#[async_trait]
impl ObjectStore for DurableLocal {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let create = match opts.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            // Refused there with an error that says so.
            PutMode::Update(_) => return self.inner.put_opts(location, payload, opts).await,
        };
        let (root, path) = (self.root.clone(), self.inner.path_to_filesystem(location)?);
        blocking(move || put(&root, &path, &payload, create).map_err(|error| store_error(error, &path)))
            .await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let (root, path) = (self.root.clone(), self.inner.path_to_filesystem(location)?);
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(DurableUpload { root, path, inner }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await?;
        let (root, path) = (self.root.clone(), self.inner.path_to_filesystem(to)?);
        blocking(move || sync(&root, &path).map_err(|error| store_error(error, &path))).await
    }
}

/// A file written in parts, synced when it is complete.
#[derive(Debug)]
struct DurableUpload {
    root: PathBuf,
    path: PathBuf,
    inner: Box<dyn MultipartUpload>,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.inner.complete().await?;
        let (root, path) = (self.root.clone(), self.path.clone());
        blocking(move || sync(&root, &path).map_err(|error| store_error(error, &path))).await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}

/// Writes a file so that its name never shows other bytes than all of `payload`.
fn put(root: &FilePath, path: &FilePath, payload: &PutPayload, create: bool) -> io::Result<()> {
    // Only the link decides; this saves staging what it would refuse.
    if create && path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let staged = staged_path(path);
    let result = stage(&staged, payload).and_then(|()| {
        // A hard link fails if the name is taken; a rename replaces it. Both are atomic.
        if create { fs::hard_link(&staged, path) } else { fs::rename(&staged, path) }
    });
    if create || result.is_err() {
        // Invisible to lists, so leaving it behind costs space only.
        let _ = fs::remove_file(&staged);
    }
    result.and_then(|()| sync_folders(root, path))
}

/// `<path>#<digits>`: the names that `LocalFileSystem` leaves out of its lists.
fn staged_path(path: &FilePath) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    let number = STAGED.fetch_add(1, Ordering::Relaxed);
    name.push(format!("#{}{number:010}{:020}", std::process::id(), RandomState::new().hash_one(number)));
    PathBuf::from(name)
}

fn stage(staged: &FilePath, payload: &PutPayload) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let open = options.write(true).create_new(true);
    let mut file = match open.open(staged) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            staged.parent().map_or(Ok(()), fs::create_dir_all)?;
            open.open(staged)?
        }
        opened => opened?,
    };
    payload.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()
}

fn sync(root: &FilePath, path: &FilePath) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    sync_folders(root, path)
}

/// Syncs every folder from the one that holds `path` up to the root: another writer may have made
/// one of them a moment ago and not synced it yet. An unchanged folder costs next to nothing.
fn sync_folders(root: &FilePath, path: &FilePath) -> io::Result<()> {
    let folders = path.ancestors().skip(1).take_while(|folder| folder.starts_with(root));
    folders.map(File::open).try_for_each(|folder| folder?.sync_all())
}

/// Makes `folder` and its missing parents, and syncs what holds the new ones.
fn make_folders(folder: &FilePath) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let missing: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(&folder)?;
    let holders = missing.into_iter().filter_map(FilePath::parent);
    holders.map(File::open).try_for_each(|holder| holder?.sync_all())
}

fn store_error(error: io::Error, path: &FilePath) -> Error {
    let (path, source) = (path.display().to_string(), Box::new(error));
    match source.kind() {
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path, source },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::PermissionDenied { path, source }
        }
        _ => Error::Generic { store: "DurableLocal", source },
    }
}
