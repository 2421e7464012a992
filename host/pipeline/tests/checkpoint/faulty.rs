//! An object store that does what it is told and lies about it: replies that get lost, server errors
//! although the object landed, conflicts although nothing did, and creates that land late.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What happens to one create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing goes wrong.
    None,
    /// It lands; the answer is a server error.
    LostReply,
    /// It does not land; the answer is a server error.
    Refused,
    /// It does not land; the answer is that the object exists.
    FalseConflict,
    /// It lands when the next object has been read; the answer is a server error.
    Late,
    /// The client repeated it by itself: it lands, and the answer is that the object exists.
    RepeatedInside,
    /// It lands; there is never an answer.
    Hang,
    /// It lands, whatever was there.
    Overwrite,
}

#[derive(Debug, Default)]
pub struct FaultyStore {
    inner: InMemory,
    faults: Mutex<VecDeque<Fault>>,
    late: Mutex<Vec<(Path, PutPayload)>>,
    /// Reads that fail before one succeeds.
    pub failing_reads: AtomicUsize,
    /// True while there are no conditional puts: every create wins.
    pub overwrites: AtomicBool,
    /// Creates that are refused for good: the credentials are revoked.
    pub revoked: AtomicBool,
    /// True if nothing may be deleted.
    pub keeps_all: AtomicBool,
}

impl FaultyStore {
    /// A store that does these things to its next creates, and then behaves.
    pub fn new(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self { faults: Mutex::new(faults.into_iter().collect()), ..Self::default() }
    }

    /// A store without conditional puts: every create wins.
    pub fn overwriting() -> Self {
        Self { overwrites: true.into(), ..Self::default() }
    }

    pub fn add_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().unwrap().extend(faults);
    }

    async fn land_late(&self) {
        let late = std::mem::take(&mut *self.late.lock().unwrap());
        for (path, payload) in late {
            let _ = self.inner.put_opts(&path, payload, object_store::PutMode::Create.into()).await;
        }
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

fn server_error() -> Error {
    Error::Generic { store: "FaultyStore", source: "503 slow down".into() }
}

fn exists(path: &Path) -> Error {
    Error::AlreadyExists { path: path.to_string(), source: "412".into() }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        if self.revoked.load(Ordering::SeqCst) {
            return Err(Error::PermissionDenied { path: path.to_string(), source: "403".into() });
        }
        if self.overwrites.load(Ordering::SeqCst) {
            options.mode = object_store::PutMode::Overwrite;
        }
        // Faults are for what the protocol writes, not for what proves that the store is sound.
        let fault = match path.filename() {
            Some("exclusive") => Fault::None,
            _ => self.faults.lock().unwrap().pop_front().unwrap_or(Fault::None),
        };
        match fault {
            Fault::Overwrite => {
                options.mode = object_store::PutMode::Overwrite;
                self.inner.put_opts(path, payload, options).await
            }
            Fault::None => self.inner.put_opts(path, payload, options).await,
            Fault::LostReply => {
                self.inner.put_opts(path, payload, options).await?;
                Err(server_error())
            }
            Fault::RepeatedInside => {
                self.inner.put_opts(path, payload, options).await?;
                Err(exists(path))
            }
            Fault::Hang => {
                self.inner.put_opts(path, payload, options).await?;
                std::future::pending().await
            }
            Fault::Refused => Err(server_error()),
            Fault::FalseConflict => Err(exists(path)),
            Fault::Late => {
                self.late.lock().unwrap().push((path.clone(), payload));
                Err(server_error())
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let failing =
            self.failing_reads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if failing.is_ok() {
            return Err(server_error());
        }
        let result = self.inner.get_opts(path, options).await;
        self.land_late().await;
        result
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        if self.keeps_all.load(Ordering::SeqCst) {
            let refused = |path: Result<Path>| {
                Err(Error::PermissionDenied { path: path?.to_string(), source: "403".into() })
            };
            return paths.map(refused).boxed();
        }
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
