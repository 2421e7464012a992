//! The files source: `DIR/<topic>/<partition>.jsonl`. A thread of its own looks for new files and
//! says so by events; the readers follow their files themselves. Files are never taken away again,
//! so nothing is revoked: one worker reads a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use millstream_model::entry::Position;
use millstream_model::{Offset, TopicPartition};
use tokio::sync::mpsc;

use super::file_identity;
use super::file_reader::FileReader;
use super::file_scan::Scan;
use super::{Departure, FilesSettings, Opened, Source, SourceError, SourceEvent};

/// A folder of topics.
pub(super) struct FilesSource {
    settings: FilesSettings,
    identity: String,
    stopped: Arc<AtomicBool>,
    /// Wakes the scanning thread to end.
    wake: SyncSender<()>,
}

/// The file of a partition.
pub(super) fn path(settings: &FilesSettings, partition: &TopicPartition) -> PathBuf {
    settings.dir.join(&*partition.topic).join(format!("{}.jsonl", partition.partition))
}

/// Checks that the folder can be listed.
pub(super) fn check(settings: &FilesSettings) -> Result<(), SourceError> {
    let folder = |error| SourceError::Folder { path: settings.dir.clone(), error };
    fs::read_dir(&settings.dir).map(drop).map_err(folder)
}

impl FilesSource {
    /// Looks at the folder and starts to scan it.
    pub(super) fn connect(
        settings: &FilesSettings,
        topics: &[String],
        events: mpsc::Sender<SourceEvent>,
    ) -> Result<Self, SourceError> {
        check(settings)?;
        let folder = |error| SourceError::Folder { path: settings.dir.clone(), error };
        let identity = format!("files:{}", file_identity::identity(&settings.dir).map_err(folder)?);
        let (wake, woken) = sync_channel(1);
        let stopped = Arc::new(AtomicBool::new(false));
        let scanning = Scanning {
            scan: Scan::new(settings.dir.clone(), topics),
            settings: settings.clone(),
            stopped: stopped.clone(),
            woken,
            events,
        };
        std::thread::Builder::new()
            .name("source-files".to_owned())
            .spawn(move || scanning.run())
            .map_err(folder)?;
        Ok(Self { settings: settings.clone(), identity, stopped, wake })
    }
}

impl Source for FilesSource {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn topic_ids(&self) -> Result<BTreeMap<String, String>, SourceError> {
        Ok(BTreeMap::new())
    }

    fn open(&self, partition: &TopicPartition, position: Option<&Position>) -> Result<Opened, SourceError> {
        let path = path(&self.settings, partition);
        let reader = FileReader::open(path, position, &self.settings, self.stopped.clone())?;
        Ok(Opened { reader: Box::new(reader), skipped: None })
    }

    fn commit(&self, _positions: &[(TopicPartition, Offset)]) -> Result<(), SourceError> {
        Ok(())
    }

    fn stop(&self, _departure: Departure) {
        self.stopped.store(true, Ordering::Release);
        let _ = self.wake.try_send(());
    }
}

impl Drop for FilesSource {
    fn drop(&mut self) {
        self.stop(Departure::ForGood);
    }
}

/// The thread that looks for new files.
struct Scanning {
    scan: Scan,
    settings: FilesSettings,
    stopped: Arc<AtomicBool>,
    woken: Receiver<()>,
    events: mpsc::Sender<SourceEvent>,
}

impl Scanning {
    fn run(mut self) {
        let (mut first, mut missing) = (true, None);
        while !self.stopped.load(Ordering::Acquire) {
            let added = match self.scan.find_new() {
                Ok(added) => added,
                Err((path, error)) => {
                    self.send(SourceEvent::Failed(SourceError::Folder { path, error }));
                    return;
                }
            };
            let now_missing = self.scan.missing();
            if missing.as_ref() != Some(&now_missing) {
                missing = Some(now_missing.clone());
                if !self.send(SourceEvent::Missing(now_missing)) {
                    return;
                }
            }
            if (first || !added.is_empty()) && !self.send(SourceEvent::Assigned(added)) {
                return;
            }
            first = false;
            let _ = self.woken.recv_timeout(self.settings.poll_interval);
        }
    }

    /// False if nobody listens any more.
    fn send(&self, event: SourceEvent) -> bool {
        self.events.blocking_send(event).is_ok()
    }
}
