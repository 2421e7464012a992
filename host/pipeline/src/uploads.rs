//! Hands finished files from CPU threads to the store. The bytes on their way are bounded: a thread
//! that finishes files faster than the store takes them waits here, and so stops reading its source.

use std::sync::Arc;

use millstream_model::entry::DataFile;
use object_store::ObjectStore;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use crate::sink::{FinishedFile, UploadError, upload};
use crate::telemetry::UploadFigures;

/// Bytes of finished files that may be on their way at once, in units of [`UNIT`].
const IN_FLIGHT_UNITS: usize = 2048;
/// A semaphore counts 32-bit permits, so bytes are counted in units of 64 KiB.
const UNIT: usize = 64 << 10;

/// Starts uploads; cheap to clone, one for each CPU thread.
#[derive(Clone)]
pub struct Uploads {
    store: Arc<dyn ObjectStore>,
    runtime: Handle,
    room: Arc<Semaphore>,
    figures: Arc<UploadFigures>,
}

/// A file on its way to the store.
#[derive(Debug)]
pub struct PendingFile {
    /// The file as the entry will name it.
    pub file: DataFile,
    done: oneshot::Receiver<Result<(), UploadError>>,
}

impl Uploads {
    /// Uploads to `store` on `runtime`, counted in `figures`.
    pub fn new(store: Arc<dyn ObjectStore>, runtime: Handle, figures: Arc<UploadFigures>) -> Self {
        Self { store, runtime, room: Arc::new(Semaphore::new(IN_FLIGHT_UNITS)), figures }
    }

    /// Begins to upload `file`; blocks while too many bytes are on their way. Not to be called on an
    /// async thread.
    pub fn begin(&self, file: FinishedFile) -> PendingFile {
        let units = file.content.len().div_ceil(UNIT).clamp(1, IN_FLIGHT_UNITS) as u32;
        let room = self.runtime.block_on(self.room.clone().acquire_many_owned(units));
        let (report, done) = oneshot::channel();
        let pending = PendingFile { file: file.file.clone(), done };
        let (store, figures) = (self.store.clone(), self.figures.clone());
        self.runtime.spawn(async move {
            figures.begin(file.content.len());
            let result = upload(&store, &file).await;
            figures.end(file.content.len(), &result);
            drop(room);
            // A receiver that is gone belongs to a task that was given up: its files are not wanted.
            let _ = report.send(result.map(drop));
        });
        pending
    }
}

impl PendingFile {
    /// Waits until the file is durable in the store.
    ///
    /// # Panics
    /// If the upload panicked, which is a bug.
    pub async fn finish(self) -> Result<DataFile, UploadError> {
        let result = self.done.await.expect("an upload reports before it ends");
        result.map(|()| self.file)
    }
}

#[cfg(test)]
mod tests;
