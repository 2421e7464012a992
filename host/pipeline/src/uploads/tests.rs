use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use millstream_model::entry::SessionId;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};

use super::*;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const FILE_BYTES: usize = 16 << 20;
const FILES: usize = 20;

/// A store that is told when it may take an object, and tells when it is asked to.
#[derive(Debug)]
struct Slow {
    inner: InMemory,
    asked: Mutex<Sender<()>>,
    allowed: Semaphore,
}

impl std::fmt::Display for Slow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slow")
    }
}

#[async_trait]
impl ObjectStore for Slow {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.asked.lock().unwrap().send(()).unwrap();
        self.allowed.acquire().await.unwrap().forget();
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
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

fn file(number: usize, content: &Bytes) -> FinishedFile {
    let file = DataFile {
        table: "raw.t".into(),
        path: format!("raw/t/s-{number}.parquet"),
        rows: 1,
        bytes: content.len() as u64,
        session: SessionId("s".into()),
        origin: None,
        offsets: Default::default(),
        epoch: 0,
        partition_values: Default::default(),
    };
    FinishedFile { file, content: content.clone() }
}

/// A thread that finishes files goes on while the store takes its time, until as many bytes as may be are on
/// their way; then it waits, and takes up again with each file that arrives.
#[test]
fn uploads_overlap_with_work_and_a_slow_store_stops_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (asked, requests): (Sender<()>, Receiver<()>) = channel();
    let slow =
        Arc::new(Slow { inner: InMemory::new(), asked: Mutex::new(asked), allowed: Semaphore::new(0) });
    let figures = Arc::<UploadFigures>::default();
    let uploads = Uploads::new(slow.clone(), runtime.handle().clone(), figures.clone());
    let content = Bytes::from(vec![7; FILE_BYTES]);
    let (began, begun) = channel();
    let work = std::thread::spawn(move || {
        (0..FILES).for_each(|number| began.send(uploads.begin(file(number, &content))).unwrap());
    });
    let room = IN_FLIGHT_UNITS * UNIT / FILE_BYTES;
    let mut pending = Vec::new();
    for _ in 0..room {
        // The thread got its file off its hands although none has arrived.
        pending.push(begun.recv_timeout(PATIENCE).unwrap());
        requests.recv_timeout(PATIENCE).unwrap();
    }
    for _ in room..FILES {
        assert!(
            requests.try_recv().is_err() && begun.try_recv().is_err(),
            "more than {room} are on their way"
        );
        assert_eq!(figures.status().bytes_in_flight, (room * FILE_BYTES) as u64);
        slow.allowed.add_permits(1);
        pending.push(begun.recv_timeout(PATIENCE).unwrap());
        requests.recv_timeout(PATIENCE).unwrap();
    }
    slow.allowed.add_permits(room);
    work.join().unwrap();
    for file in pending {
        runtime.block_on(file.finish()).unwrap();
    }
    assert_eq!((figures.status().files, figures.status().files_in_flight), (FILES as u64, 0));
}
