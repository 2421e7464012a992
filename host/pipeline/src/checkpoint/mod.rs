//! The checkpoint log in an object store: drives the protocol machine of `millstream-log` with real
//! requests. Bodies go in, sequence numbers and the folded state come out. It decides nothing about
//! acceptance and knows nothing of sources, tables or plugins.
//!
//! Layout below the prefix: `entries/<sequence>.json`, `snapshots/<sequence>.json`, both created once
//! and never changed, and `exclusive`, which is tried to be created again before each entry: a store that
//! does so has begun to overwrite, and gets no further entry. The newest snapshot is the boundary below which
//! entries may be deleted.

mod error;
mod maintain;
mod read_ahead;
mod store;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use millstream_log::{Action, Event, Machine, Outcome, Rules, Step, decode_entry};
use millstream_model::entry::{Body, Control, Entry, FORMAT, Sequence, SessionId};
use millstream_model::{Clock, Digest};
use object_store::ObjectStore;
use object_store::path::Path;

pub use crate::store::RetryPolicy;
use crate::store::random_number;
pub use error::{AppendError, LogError};
pub use maintain::Cleaned;
pub use millstream_log::{LogState, Rejection, Remedy};
use read_ahead::ReadAhead;
pub(crate) use store::LogStore;

/// Entries that are read at once where many are asked for.
const ENTRIES_AT_ONCE: usize = 32;

/// One worker's hold on the log.
#[derive(Debug)]
pub struct CheckpointLog {
    machine: Machine,
    store: LogStore,
    ahead: ReadAhead,
    clock: ClockHandle,
    /// The open session and the name of its worker.
    session: Option<(SessionId, String)>,
    /// Entries that were read and have no effect: few, since writers check before they write.
    ignored: BTreeSet<Sequence>,
}

struct ClockHandle(Arc<dyn Clock>);

impl std::fmt::Debug for ClockHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl CheckpointLog {
    /// Opens the log in the folder `prefix` of `store`, as `_millstream/log`, and reads it to its head.
    /// A log that does not exist yet is empty.
    pub async fn open(
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LogError> {
        Self::open_with(store, prefix, clock, RetryPolicy::default()).await
    }

    /// As [`CheckpointLog::open`], with other patience than the default.
    pub async fn open_with(
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        clock: Arc<dyn Clock>,
        retry: RetryPolicy,
    ) -> Result<Self, LogError> {
        let mut log = Self {
            machine: Machine::new(Rules::all()),
            store: LogStore::new(store, prefix, retry),
            ahead: ReadAhead::default(),
            clock: ClockHandle(clock),
            session: None,
            ignored: BTreeSet::new(),
        };
        log.refresh().await?;
        log.check_complete().await?;
        Ok(log)
    }

    /// Entries behind the head mean that one is missing, and must not be written again: a reader would
    /// see another history.
    async fn check_complete(&mut self) -> Result<(), LogError> {
        let behind = self.store.sequences(self.state().sequence() + 1).await?;
        if behind.is_empty() {
            return Ok(());
        }
        // Or somebody has written in between.
        self.refresh().await?;
        let missing = self.state().sequence() + 1;
        match behind.into_iter().find(|sequence| *sequence > missing) {
            Some(found) => {
                Err(LogError::Missing { path: self.store.entry_path(missing).to_string(), missing, found })
            }
            None => Ok(()),
        }
    }

    /// The log as far as it was read.
    pub fn state(&self) -> &LogState {
        self.machine.state()
    }

    /// The session opened last.
    pub fn session(&self) -> Option<&SessionId> {
        self.session.as_ref().map(|(session, _)| session)
    }

    /// Reads on to the head.
    pub async fn refresh(&mut self) -> Result<(), LogError> {
        self.settle().await?;
        let step = self.machine.refresh();
        self.drive(step).await.map(drop)
    }

    /// Refuses a log whose entries are of an older format than those that this version writes. It can be
    /// read as it is; somebody must ask for it to be raised, since older versions cannot read on then.
    pub fn check_format(&self) -> Result<(), LogError> {
        match self.state().format() {
            0 | FORMAT => Ok(()),
            found => Err(LogError::OlderFormat { found }),
        }
    }

    /// Opens a session for `worker`, a name that stays the same over restarts. Entries and files are
    /// written under it. Refuses a log of an older format.
    pub async fn open_session(&mut self, worker: &str) -> Result<SessionId, LogError> {
        self.check_format()?;
        self.open_session_as_is(worker).await
    }

    async fn open_session_as_is(&mut self, worker: &str) -> Result<SessionId, LogError> {
        loop {
            let session = self.new_session();
            let body = Body::Control(Control::SessionOpened {
                session: session.clone(),
                worker: worker.to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            });
            match self.append_as(&session, body).await {
                Ok(_) => {
                    self.session = Some((session.clone(), worker.to_owned()));
                    return Ok(session);
                }
                // Truncation overtook the entry, so whether it stands is not known: a session that
                // nobody uses does no harm.
                Err(AppendError::Fenced) => {}
                Err(AppendError::Rejected(rejection)) => return Err(LogError::Session(rejection)),
                Err(AppendError::NoSession) => unreachable!("the session is named by the caller"),
                Err(AppendError::Log(error)) => return Err(error),
            }
        }
    }

    /// Appends an entry; when it returns `Ok`, the entry stands.
    ///
    /// `Rejected`: it never will, and its files may be deleted. `Fenced` and `Log`: whether it stands
    /// is not known, and its files must be left to the cleaner. After `Log`, appending the same body
    /// again takes up where it was left and tells; another body is refused as `Fenced` if the first
    /// one may stand.
    pub async fn append(&mut self, body: Body) -> Result<Sequence, AppendError> {
        let (session, _) = self.session.clone().ok_or(AppendError::NoSession)?;
        self.append_as(&session, body).await
    }

    /// The entries that are still there, from `from` on or from the first, each with the size of its
    /// bytes. Includes entries that readers pass over.
    pub async fn entries(&self, from: Option<Sequence>) -> Result<Vec<(Entry, usize)>, LogError> {
        let (store, sequences) = (&self.store, self.store.sequences(from.unwrap_or(0)).await?);
        let reads =
            stream::iter(sequences).map(|n| async move { store.entry(n).await.map(|read| (n, read)) });
        let mut reads = std::pin::pin!(reads.buffered(ENTRIES_AT_ONCE));
        let mut entries = Vec::new();
        while let Some((sequence, bytes)) = reads.try_next().await? {
            let Some(bytes) = bytes else { continue };
            let entry = decode_entry(&bytes).map_err(|source| LogError::Entry { sequence, source })?;
            entries.push((entry, bytes.len()));
        }
        Ok(entries)
    }

    /// Numbers of the entries that are still there, rising.
    pub async fn kept(&self) -> Result<Vec<Sequence>, LogError> {
        self.store.sequences(0).await
    }

    /// The entry of this number, if it is still there. Says nothing of whether readers pass over it.
    pub async fn entry(&self, sequence: Sequence) -> Result<Option<Entry>, LogError> {
        let Some(bytes) = self.store.entry(sequence).await? else { return Ok(None) };
        decode_entry(&bytes).map(Some).map_err(|source| LogError::Entry { sequence, source })
    }

    /// Digest of the bytes of an entry, if it is still there.
    pub async fn digest(&self, sequence: Sequence) -> Result<Option<Digest>, LogError> {
        Ok(self.store.entry(sequence).await?.map(|bytes| Digest::of(&bytes)))
    }

    /// Number of the first entry from `from` on that is still there.
    pub async fn next_entry(&self, from: Sequence) -> Result<Option<Sequence>, LogError> {
        Ok(self.store.sequences(from).await?.first().copied())
    }

    /// True if readers pass over this entry. Of entries before the snapshot that the log was read from this
    /// is not known, and they count as standing.
    pub fn passes_over(&self, sequence: Sequence) -> bool {
        self.ignored.contains(&sequence)
    }

    async fn append_as(&mut self, session: &SessionId, body: Body) -> Result<Sequence, AppendError> {
        let outcome = match self.settle_append(&body).await? {
            Some(outcome) => outcome,
            None => {
                let step = self.machine.append(session, body, self.clock.0.now_us());
                self.drive(step).await?
            }
        };
        match outcome {
            Outcome::Accepted(sequence) => Ok(sequence),
            outcome => Err(refused(outcome)),
        }
    }

    /// Finishes an append that was left in the middle. If it was of this `body`, its outcome is the
    /// answer; if it was of another one and may stand, `body` does not know of it and must be redone.
    async fn settle_append(&mut self, body: &Body) -> Result<Option<Outcome>, LogError> {
        let unsettled = self.machine.unsettled().map(|unsettled| unsettled == body);
        let outcome = self.settle().await?;
        Ok(match (unsettled, outcome) {
            (Some(true), outcome) => outcome,
            (Some(false), Some(Outcome::Accepted(_) | Outcome::Fenced)) => Some(Outcome::Fenced),
            _ => None,
        })
    }

    /// Finishes an operation that was left in the middle.
    async fn settle(&mut self) -> Result<Option<Outcome>, LogError> {
        match self.machine.resume() {
            Some(step) => self.drive(step).await.map(Some),
            None => Ok(None),
        }
    }

    async fn drive(&mut self, mut step: Step) -> Result<Outcome, LogError> {
        let mut attempts = self.store.begin();
        loop {
            match step {
                Step::Do(action) => {
                    let event = match action {
                        Action::Get(sequence) => self.ahead.get(&self.store, sequence).await?,
                        action => self.store.perform(&action, &mut attempts).await?,
                    };
                    // A lost race is no failure of the store, however many there are.
                    if matches!(event, Event::Found(_) | Event::Created) {
                        attempts.reset();
                    }
                    step = self.machine.handle(event);
                }
                Step::Done(outcome) => {
                    self.ahead.forget();
                    self.report_ignored();
                    return match outcome {
                        Outcome::Halted(halt) => Err(LogError::Halted(halt)),
                        outcome => Ok(outcome),
                    };
                }
            }
        }
    }

    fn report_ignored(&mut self) {
        for ignored in self.machine.take_ignored() {
            self.ignored.insert(ignored.sequence);
            tracing::warn!(
                sequence = ignored.sequence,
                session = %ignored.session,
                reason = %ignored.rejection,
                "an entry of the checkpoint log breaks a rule and has no effect"
            );
        }
    }

    /// A name that sorts by time for people and cannot collide: milliseconds and 64 random bits.
    fn new_session(&self) -> SessionId {
        let millis = self.clock.0.now_us() / 1000;
        SessionId(format!("{millis:011x}{:016x}", random_number()))
    }
}

fn refused(outcome: Outcome) -> AppendError {
    match outcome {
        Outcome::Rejected(rejection) => AppendError::Rejected(rejection),
        Outcome::Fenced => AppendError::Fenced,
        outcome => unreachable!("{outcome:?} does not end an append"),
    }
}
