//! The dead-letter topic: a projection of the dead-letter table. A [`Projector`] hears how far the log is,
//! reads the files that its entries name, produces their letters to Kafka, and keeps in the lake how far it
//! came. It runs beside the data path, which never waits for it: what a crash or a broken topic leaves,
//! the next attempt publishes, so a letter may be there twice and is never missing.

mod error;
mod progress;
mod record;
mod settled;
mod successors;
mod topic;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use millstream_model::Clock;
use millstream_model::entry::{Body, DataFile, Entry, Sequence};
use object_store::ObjectStore;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::checkpoint::CheckpointLog;
use crate::config::DeadLetterTopic;
use crate::dead_letter::{self, Letter, Letters};
use crate::lake::Lake;
use crate::sink::read::{self, ReadError};
use crate::source::SourceError;
use crate::start;
use crate::telemetry::Telemetry;
use error::ProjectionError;
use progress::Progress;
use record::{LetterRecord, Place};
use settled::Settled;
use successors::{rows_of, successors};
use topic::{Deliveries, Topic};

/// Time between two looks at the log for entries of other workers.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Longest wait after a failure; it begins at a second and doubles.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(30);
/// How long a run that ends waits for the projection.
const FINISH_PATIENCE: Duration = Duration::from_secs(15);
/// Entries without letters after which the progress is kept all the same.
const ENTRIES_PER_PROGRESS: u64 = 100;

/// What a projector is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Order {
    /// True if this worker is the one that publishes.
    active: bool,
    /// Last entry that is known to stand.
    head: Sequence,
    /// True if the run ends: stop at `head`.
    finish: bool,
}

/// Publishes dead letters in the background; gone when dropped.
pub struct Projector {
    orders: watch::Sender<Order>,
    task: JoinHandle<()>,
}

impl Projector {
    /// Starts a projector for `settings`. Nothing is published until [`Projector::tell`] says that it is for
    /// this worker to do.
    pub fn start(
        settings: &DeadLetterTopic,
        lake: &Lake,
        clock: Arc<dyn Clock>,
        telemetry: Arc<Telemetry>,
    ) -> Result<Self, SourceError> {
        let (orders, inbox) = watch::channel(Order { active: false, head: 0, finish: false });
        let publisher = Publisher {
            topic: Topic::new(settings)?,
            progress: Progress::new(lake.store(), &settings.topic),
            store: lake.store(),
            lake: lake.clone(),
            clock,
            log: None,
            settled: Settled::default(),
            telemetry,
        };
        Ok(Self { orders, task: tokio::spawn(publisher.run(inbox)) })
    }

    /// Says that the log stands at `head`, and whether this worker is the one that publishes.
    pub fn tell(&self, active: bool, head: Sequence) {
        self.orders.send_if_modified(|order| {
            let changed = (order.active, order.head) != (active, head);
            (order.active, order.head) = (active, head);
            changed
        });
    }

    /// Publishes what the log holds up to now and ends; gives up after a while, with a warning.
    pub async fn finish(mut self) {
        self.orders.send_modify(|order| order.finish = true);
        if tokio::time::timeout(FINISH_PATIENCE, &mut self.task).await.is_err() {
            tracing::warn!("not all dead letters are in their topic yet; the next run goes on with them");
        }
    }
}

impl Drop for Projector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Publisher {
    topic: Topic,
    progress: Progress,
    store: Arc<dyn ObjectStore>,
    lake: Lake,
    clock: Arc<dyn Clock>,
    /// A hold on the log of our own, for reading: the run's is busy with the data path.
    log: Option<CheckpointLog>,
    settled: Settled,
    telemetry: Arc<Telemetry>,
}

impl Publisher {
    async fn run(mut self, mut orders: watch::Receiver<Order>) {
        let mut failures = 0;
        loop {
            let order = *orders.borrow();
            let outcome = if order.active { self.catch_up().await } else { Ok(()) };
            let wait = match &outcome {
                Ok(()) if order.finish => return,
                Ok(()) => {
                    failures = 0;
                    LOOK_INTERVAL
                }
                Err(error) => {
                    failures += 1;
                    self.telemetry.dead_letter_failures.fetch_add(1, Ordering::Relaxed);
                    let delay = delay(failures);
                    tracing::warn!(%error, failures, ?delay, "dead letters are not published; trying again");
                    delay
                }
            };
            // After a failure, news does not shorten the wait, but the run's end does.
            let news =
                orders.wait_for(|new| new.finish != order.finish || (outcome.is_ok() && *new != order));
            // Nobody gives orders any more.
            if let Ok(Err(_)) = tokio::time::timeout(wait, news).await {
                return;
            }
        }
    }

    /// Publishes the letters of all entries that stand and have not been published.
    async fn catch_up(&mut self) -> Result<(), ProjectionError> {
        let mut log = match self.log.take() {
            Some(mut log) => {
                log.refresh().await?;
                log
            }
            None => {
                CheckpointLog::open(self.store.clone(), start::LOG_FOLDER.into(), self.clock.clone()).await?
            }
        };
        let outcome = self.publish(&mut log).await;
        self.log = Some(log);
        outcome
    }

    async fn publish(&mut self, log: &mut CheckpointLog) -> Result<(), ProjectionError> {
        let mut kept = self.progress.read().await?;
        let mut next = kept + 1;
        while next <= log.state().sequence() {
            if let Some(at) = left_out(log, next) {
                next = at + 1;
                continue;
            }
            let Some(entry) = log.entry(next).await? else {
                next = self.pass_over_deleted(log, next).await?;
                continue;
            };
            let sequence = next;
            next += 1;
            let letters = self.publish_entry(log, &entry).await?;
            if letters > 0 || sequence - kept >= ENTRIES_PER_PROGRESS {
                self.progress.keep(sequence).await?;
                kept = sequence;
            }
            if letters > 0 {
                tracing::debug!(sequence, letters, "dead letters published");
            }
        }
        Ok(())
    }

    /// Entries that were deleted behind a snapshot are passed over: their letters will not be in the topic.
    /// Returns the first one that is there.
    async fn pass_over_deleted(
        &self,
        log: &CheckpointLog,
        missing: Sequence,
    ) -> Result<Sequence, ProjectionError> {
        if missing > log.state().boundary() {
            return Err(ProjectionError::Missing { sequence: missing });
        }
        let next = log.next_entry(missing).await?.unwrap_or(log.state().sequence() + 1);
        tracing::error!(
            from = missing,
            to = next - 1,
            "dead letters of these entries will not be in their topic: the entries were deleted before they were \
             published (log.keep_entries); the table has them"
        );
        Ok(next)
    }

    /// Publishes the letters of one entry; returns how many there are.
    async fn publish_entry(&mut self, log: &CheckpointLog, entry: &Entry) -> Result<u64, ProjectionError> {
        let files = letter_files(&entry.body);
        // What an entry names that broke a rule is not part of the table.
        if log.passes_over(entry.sequence) {
            return Ok(0);
        }
        self.settled.turn_to(entry.sequence);
        let mut ordinal = 0;
        for (number, file) in files.into_iter().enumerate() {
            let first = Place { sequence: entry.sequence, ordinal };
            ordinal += file.rows;
            if self.settled.has_file(number) {
                continue;
            }
            let is_live = log.state().is_live(&file.path);
            let successors = (!is_live).then(|| successors(log.state(), file));
            let is_wanted = |letter: &Letter<'_>| is_of(&entry.body, letter);
            self.publish_file(file, successors, first, &is_wanted).await?;
            self.settled.add_file();
        }
        Ok(ordinal)
    }

    /// Publishes the letters of `file` that `is_wanted` takes; the first one stands at `first`. If the file is not
    /// live any more, `successors` are those that have its rows now.
    async fn publish_file(
        &mut self,
        file: &DataFile,
        successors: Option<Vec<DataFile>>,
        first: Place,
        is_wanted: &(dyn Fn(&Letter<'_>) -> bool + Sync),
    ) -> Result<(), ProjectionError> {
        let letters = Numbered { first, rows: file.rows, next: 0 };
        let published = self.publish_from(file, None, letters, is_wanted).await;
        match (published, successors) {
            (Err(ProjectionError::Read(error)), Some(successors)) if error.is_missing() => {
                self.publish_from_successors(file, &successors, first, is_wanted, &error).await
            }
            (published, _) => published.map(drop),
        }
    }

    /// Publishes the letters of `file`, which was replaced and is deleted.
    async fn publish_from_successors(
        &mut self,
        file: &DataFile,
        successors: &[DataFile],
        first: Place,
        is_wanted: &(dyn Fn(&Letter<'_>) -> bool + Sync),
        error: &ReadError,
    ) -> Result<(), ProjectionError> {
        // They may have other letters than the file had, in another order.
        self.settled.begin_file_again();
        let mut letters = Numbered { first, rows: file.rows, next: 0 };
        for successor in successors {
            letters = self.publish_from(successor, Some(file), letters, is_wanted).await?;
        }
        let found = letters.next;
        if successors.is_empty() {
            self.telemetry.dead_letters_unpublished.fetch_add(file.rows, Ordering::Relaxed);
            tracing::error!(
                sequence = first.sequence, letters = file.rows, %error,
                "dead letters will not be in their topic: their file was replaced and deleted before they were \
                 published, and no file of the table has them"
            );
        } else if found < file.rows {
            let (sequence, letters) = (first.sequence, file.rows - found);
            tracing::info!(sequence, letters, "letters are dead no more and are not published");
        }
        Ok(())
    }

    /// Publishes the letters that `file` holds, or those of them that are of messages of `replaced`. Returns the
    /// numbers of those that follow.
    async fn publish_from(
        &mut self,
        file: &DataFile,
        replaced: Option<&DataFile>,
        mut letters: Numbered,
        is_wanted: &(dyn Fn(&Letter<'_>) -> bool + Sync),
    ) -> Result<Numbered, ProjectionError> {
        let store = self.store.clone();
        for rows in read::batches(&store, file).await? {
            let mut rows = rows?;
            if let Some(replaced) = replaced {
                rows = rows_of(replaced, &rows).map_err(|source| self.in_file(file, source))?;
            }
            self.publish_rows(file, &rows, letters, is_wanted).await?;
            letters.next += rows.num_rows() as u64;
        }
        Ok(letters)
    }

    fn in_file(&self, file: &DataFile, source: ArrowError) -> ProjectionError {
        ProjectionError::Rows { path: self.lake.display_path(&file.path), source }
    }

    /// Publishes the letters of `rows` that are not settled yet.
    async fn publish_rows(
        &mut self,
        file: &DataFile,
        rows: &RecordBatch,
        numbered: Numbered,
        is_wanted: &(dyn Fn(&Letter<'_>) -> bool + Sync),
    ) -> Result<(), ProjectionError> {
        let letters = Letters::new(rows).map_err(|source| self.in_file(file, source))?;
        let letters = letters.iter().zip(numbered.next..).filter(|(letter, _)| is_wanted(letter));
        let letters = letters.map(|(letter, number)| (letter, number, numbered.place(number)));
        let letters = letters.filter(|(_, number, place)| !self.settled.has(*number, place.ordinal));
        let records = letters.map(|(letter, _, place)| LetterRecord::new(letter, place)).collect();
        let Deliveries { acknowledged, refused, failed } = self.topic.deliver(records).await;

        let Telemetry { dead_letters_published, dead_letters_unpublished, .. } = &*self.telemetry;
        dead_letters_published.fetch_add(acknowledged.len() as u64, Ordering::Relaxed);
        dead_letters_unpublished.fetch_add(refused.len() as u64, Ordering::Relaxed);
        if let Some((Place { sequence, ordinal }, error)) = refused.first() {
            tracing::warn!(
                letters = refused.len(), sequence, ordinal, %error,
                "dead letters will not be in their topic, which does not take them, whatever is left out; the \
                 table has them"
            );
        }
        let settled = acknowledged.iter().chain(refused.iter().map(|(place, _)| place));
        settled.for_each(|place| self.settled.add(place.ordinal));
        if let Some(error) = failed {
            return Err(error);
        }
        self.settled.add_all_before(numbered.next + rows.num_rows() as u64);
        Ok(())
    }
}

/// The letters of a file, as they are published one after the other.
#[derive(Clone, Copy, Debug)]
struct Numbered {
    /// Where the first one stands.
    first: Place,
    /// Letters that the file has, or had.
    rows: u64,
    /// Number of the next one in the file, from 0.
    next: u64,
}

impl Numbered {
    /// Ordinals that no letter of an entry's own files has.
    const BEYOND: u64 = 1 << 32;

    /// Where letter `number` stands. Successors of a file may have more letters than it had, if a replay made
    /// them; these have places of their own.
    fn place(&self, number: u64) -> Place {
        let Place { sequence, ordinal } = self.first;
        let is_own = number < self.rows;
        let ordinal = if is_own { ordinal + number } else { (ordinal + 1) * Self::BEYOND + number };
        Place { sequence, ordinal }
    }
}

/// The number that the log went on at, if it was restored from a backup that ended before `sequence`. What may be
/// there with this number is of nobody's history: a worker that did not know yet wrote it.
fn left_out(log: &CheckpointLog, sequence: Sequence) -> Option<Sequence> {
    let is_left_out = |(at, from): &(&Sequence, &Sequence)| **from < sequence && sequence <= **at;
    log.state().restored().iter().find(is_left_out).map(|(at, _)| *at)
}

/// Files that an entry adds to the dead-letter table.
fn letter_files(body: &Body) -> Vec<&DataFile> {
    let is_letters = |file: &&DataFile| file.table == dead_letter::TABLE;
    match body {
        Body::Data(data) => data.files.iter().filter(is_letters).collect(),
        Body::Replay(replay) => {
            replay.tables.iter().flat_map(|table| &table.added).filter(is_letters).collect()
        }
        // Their rows are not new.
        Body::Replace(_) | Body::Control(_) => Vec::new(),
    }
}

/// True if the letter is of the messages that the entry processed. Files of a replay hold letters of others,
/// too, which earlier entries added.
fn is_of(body: &Body, letter: &Letter<'_>) -> bool {
    let Body::Replay(replay) = body else { return true };
    replay.ranges.iter().any(|replayed| {
        let partition = &replayed.partition;
        *partition.topic == *letter.topic
            && partition.partition == letter.partition
            && replayed.range.contains(letter.offset)
    })
}

fn delay(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(5)).min(RETRY_DELAY_MAX)
}

#[cfg(test)]
mod tests {
    use millstream_model::SystemClock;
    use millstream_model::entry::SessionId;
    use object_store::ObjectStoreExt as _;
    use object_store::path::Path;

    use super::*;
    use crate::source::KafkaSettings;

    /// A publisher whose topic is nowhere.
    fn publisher(lake: &Lake) -> Publisher {
        let settings = DeadLetterTopic {
            topic: "letters".to_owned(),
            kafka: KafkaSettings::new("127.0.0.1:9", "group"),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Publisher {
            topic: Topic::new(&settings).unwrap(),
            progress: Progress::new(lake.store(), &settings.topic),
            store: lake.store(),
            lake: lake.clone(),
            clock: clock.clone(),
            log: None,
            settled: Settled::default(),
            telemetry: Arc::new(Telemetry::new("worker-0", clock)),
        }
    }

    /// A replay made letters of messages that had none, so that the file's successor has more than the file had. The
    /// next file's letters were then taken for settled.
    #[test]
    fn letters_that_a_replay_added_have_places_of_their_own() {
        let of_file = |ordinal, rows| {
            let letters = Numbered { first: Place { sequence: 7, ordinal }, rows, next: 0 };
            (0..5).map(|number| letters.place(number).ordinal).collect::<Vec<_>>()
        };
        let (first, second) = (of_file(0, 2), of_file(2, 4));
        assert_eq!((&first[..2], &second[..4]), (&[0, 1][..], &[2, 3, 4, 5][..]));
        let all: std::collections::BTreeSet<_> = first.iter().chain(&second).collect();
        assert_eq!(all.len(), 10);
    }

    /// Letters of a file that a later entry replaced were once passed over in silence.
    #[tokio::test]
    async fn a_replaced_file_is_read_and_missed_loudly() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(folder.path().to_str().unwrap()).unwrap();
        let mut publisher = publisher(&lake);
        let file = DataFile {
            table: dead_letter::TABLE.to_owned(),
            path: "dead_letters/day=2026-01-01/s-0.parquet".to_owned(),
            session: SessionId("s".to_owned()),
            origin: None,
            offsets: [].into(),
            epoch: 0,
            partition_values: [].into(),
            rows: 3,
            bytes: 4,
        };
        let first = Place { sequence: 1, ordinal: 0 };
        let live = publisher.publish_file(&file, None, first, &|_| true).await.unwrap_err();
        assert!(matches!(live, ProjectionError::Read(ReadError::Fetch { .. })), "{live}");
        publisher.publish_file(&file, Some(Vec::new()), first, &|_| true).await.unwrap();
        assert_eq!(publisher.telemetry.dead_letters_unpublished.load(Ordering::Relaxed), 3);

        publisher.store.put(&Path::from(file.path.as_str()), "text".into()).await.unwrap();
        let read = publisher.publish_file(&file, Some(Vec::new()), first, &|_| true).await.unwrap_err();
        assert!(matches!(read, ProjectionError::Read(ReadError::Damaged { .. })), "{read}");
    }
}
