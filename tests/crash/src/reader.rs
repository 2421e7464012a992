//! A reader that lists the tables all through the suite, on a thread of its own, by the host's own way of
//! reading a log. It reads each file once, when it first appears; now and then it forgets the log and opens it
//! anew, as a reader does that was just started.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use arrow::array::AsArray as _;
use arrow::datatypes::{Int32Type, Int64Type};
use bytes::Bytes;
use millstream_log::LogState;
use millstream_model::SystemClock;
use millstream_pipeline::checkpoint::{CheckpointLog, LogError};
use millstream_pipeline::start::LOG_FOLDER;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::view::{Listing, Place, View};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// Looks between two openings of the log.
const LOOKS_BETWEEN_OPENINGS: u64 = 8;

/// What the reader found out, shared with its thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Looks at the tables.
    pub(crate) looks: u64,
    /// Number of the last entry.
    pub(crate) sequence: u64,
    /// Messages that are committed.
    pub(crate) messages: u64,
    /// The rule that a view broke.
    pub(crate) violation: Option<String>,
    /// Why the last look came to nothing.
    pub(crate) trouble: Option<String>,
}

/// The reader; its thread ends with it.
pub(crate) struct Reader {
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
    stop: std::sync::mpsc::Sender<()>,
}

impl Reader {
    /// Starts to read the lake whose root is `store`.
    pub(crate) fn start(store: Arc<dyn ObjectStore>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (stop, stopped) = std::sync::mpsc::channel();
        let shared = seen.clone();
        let thread = std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
            let mut look = Look { store, log: None, view: View::default() };
            while stopped.recv_timeout(PAUSE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let result = runtime.block_on(look.again());
                if !note(&mut lock(&shared), &look, result) {
                    return;
                }
            }
        })?;
        Ok(Self { seen, thread: Some(thread), stop })
    }

    /// What it has found out.
    pub(crate) fn seen(&self) -> Seen {
        let mut seen = lock(&self.seen).clone();
        if seen.violation.is_none() && self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            seen.violation = Some("something that made it panic, see above".to_owned());
        }
        seen
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Notes the outcome of a look; false if there is no point in another one.
fn note(seen: &mut Seen, look: &Look, result: anyhow::Result<Result<u64, String>>) -> bool {
    seen.looks += 1;
    seen.sequence = look.view.sequence();
    seen.trouble = None;
    match result {
        Ok(Ok(messages)) => seen.messages = messages,
        Ok(Err(violation)) => seen.violation = Some(violation),
        // A store that is down shows nothing, which is not wrong.
        Err(error) => seen.trouble = Some(format!("{error:#}")),
    }
    seen.violation.is_none()
}

struct Look {
    store: Arc<dyn ObjectStore>,
    log: Option<(CheckpointLog, u64)>,
    view: View,
}

impl Look {
    /// The log at its head, and how often it was looked at since it was opened.
    async fn reach(&mut self) -> Result<(CheckpointLog, u64), LogError> {
        match self.log.take() {
            Some((mut log, looks)) if looks < LOOKS_BETWEEN_OPENINGS => {
                log.refresh().await?;
                Ok((log, looks + 1))
            }
            _ => {
                let clock = Arc::new(SystemClock);
                Ok((CheckpointLog::open(self.store.clone(), Path::from(LOG_FOLDER), clock).await?, 0))
            }
        }
    }

    /// Looks at the tables once; gives the messages that are committed, or the rule that the view breaks.
    async fn again(&mut self) -> anyhow::Result<Result<u64, String>> {
        let (mut log, looks) = match self.reach().await {
            // A log that does not hold together is what must not be seen; any other error may pass.
            Err(error @ (LogError::Halted(_) | LogError::Missing { .. } | LogError::Entry { .. })) => {
                return Ok(Err(error.to_string()));
            }
            reached => reached?,
        };
        let listing = listed(log.state());
        let mut rows = BTreeMap::new();
        for (path, expected) in self.view.unread(&listing) {
            let places = match read(&self.store, &path).await {
                Err(error) if is_gone(&error) => {
                    log.refresh().await?;
                    if listed(log.state()).files.contains_key(&path) {
                        return Ok(Err(format!("{path} is named by the log and gone")));
                    }
                    // It was replaced meanwhile, as the next look will see.
                    return Err(error);
                }
                places => places?,
            };
            if places.len() as u64 != expected {
                return Ok(Err(format!("{path} has {} rows, not {expected}", places.len())));
            }
            rows.insert(path, places);
        }
        let messages = listing.positions.values().map(|end| end.unsigned_abs()).sum();
        let verdict = self.view.advance(&listing, rows).map(|()| messages);
        self.log = Some((log, looks));
        Ok(verdict)
    }
}

fn listed(state: &LogState) -> Listing {
    let files = state.files().values().flatten().map(|(path, file)| (path.clone(), file.rows));
    let positions = state.positions().iter().map(|(of, position)| (of.partition, position.offset));
    Listing { sequence: state.sequence(), files: files.collect(), positions: positions.collect() }
}

fn is_gone(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(object_store::Error::NotFound { .. }))
}

/// Partition and offset of every row of a file.
async fn read(store: &Arc<dyn ObjectStore>, path: &str) -> anyhow::Result<Vec<Place>> {
    let bytes: Bytes = store.get(&Path::from(path)).await?.bytes().await?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let columns = ProjectionMask::columns(builder.parquet_schema(), ["_partition", "_offset"]);
    let mut places = Vec::new();
    for batch in builder.with_projection(columns).build()? {
        let batch = batch?;
        let column =
            |name| batch.column_by_name(name).with_context(|| format!("{path} has no column {name}"));
        let partitions = column("_partition")?.as_primitive::<Int32Type>().values().iter().copied();
        let offsets = column("_offset")?.as_primitive::<Int64Type>().values().iter().copied();
        places.extend(partitions.zip(offsets));
    }
    Ok(places)
}
