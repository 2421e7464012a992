//! Where a stream's steps show what they made, so that a shadow can do the same and compare. While nobody looks
//! that is one relaxed load a batch and step. A shadow gets references to the batches, over a queue of a few;
//! what finds the queue full is counted and passed by, so that no shadow can slow a stream.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use millstream_engine::StepOutput;
use millstream_model::Digest;

use super::ShadowError;
use crate::plan::PlannedStep;

/// Shadows that look at one stream at most.
pub const SHADOWS_MAX: usize = 4;
/// Batches that may wait for one shadow.
const BATCHES_MAX: usize = 4;

/// A batch that a step worked on.
#[derive(Debug)]
pub(super) struct Seen {
    /// The rows that it got.
    pub(super) input: RecordBatch,
    /// What it made of them.
    pub(super) output: StepOutput,
    /// How long that took.
    pub(super) busy: Duration,
    /// The version that did it.
    pub(super) version: Version,
}

/// A version of a step: digests of its plugin and its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    plugin: Digest,
    config: Digest,
}

impl Version {
    pub(super) fn of(step: &PlannedStep) -> Self {
        Self { plugin: step.step.plugin().digest(), config: step.config }
    }
}

/// Who looks at the steps of one stream.
#[derive(Debug, Default)]
pub struct ShadowFeed {
    open: AtomicU32,
    closed: AtomicBool,
    /// Held by who comes, so that nobody writes to a slot that another one has just taken.
    coming: Mutex<()>,
    /// A slot is written only when its own shadow comes or goes.
    slots: [RwLock<Option<Slot>>; SHADOWS_MAX],
}

#[derive(Debug)]
struct Slot {
    step: Arc<str>,
    batches: SyncSender<Seen>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    waiting: AtomicUsize,
    missed: AtomicU64,
}

impl ShadowFeed {
    /// Shows what `step` made of `input`, and how long it took. Never waits.
    pub fn offer(&self, step: &PlannedStep, input: &RecordBatch, output: &StepOutput, busy: Duration) {
        if self.open.load(Ordering::Relaxed) > 0 {
            self.hand_out(step, input, output, busy);
        }
    }

    #[cold]
    fn hand_out(&self, step: &PlannedStep, input: &RecordBatch, output: &StepOutput, busy: Duration) {
        for slot in &self.slots {
            let Ok(slot) = slot.try_read() else { continue };
            let Some(slot) = slot.as_ref().filter(|slot| slot.step == step.name) else { continue };
            // Whether there is room is known before anything is copied.
            if slot.counts.waiting.fetch_add(1, Ordering::Relaxed) >= BATCHES_MAX {
                slot.counts.waiting.fetch_sub(1, Ordering::Relaxed);
                slot.counts.missed.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let (input, output, version) = (input.clone(), output.clone(), Version::of(step));
            // Nobody takes it any more, or there is room.
            let _ = slot.batches.try_send(Seen { input, output, busy, version });
        }
    }

    /// Looks at `step` from now on.
    ///
    /// # Errors
    /// If too many look already, or the run is ending.
    pub(super) fn open(self: &Arc<Self>, step: Arc<str>) -> Result<(Seat, Onlooker), ShadowError> {
        let _coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, slot) in self.slots.iter().enumerate() {
            if slot.read().unwrap_or_else(PoisonError::into_inner).is_some() {
                continue;
            }
            let mut slot = slot.write().unwrap_or_else(PoisonError::into_inner);
            if self.closed.load(Ordering::Relaxed) {
                return Err(ShadowError::Ending);
            }
            let (batches, receiver) = sync_channel(BATCHES_MAX);
            let counts: Arc<Counts> = Arc::default();
            *slot = Some(Slot { step, batches, counts: counts.clone() });
            self.open.fetch_add(1, Ordering::Relaxed);
            let seat = Seat { feed: self.clone(), index, counts: counts.clone() };
            return Ok((seat, Onlooker { batches: receiver, counts }));
        }
        Err(ShadowError::TooMany)
    }

    /// Ends all shadows, and lets nobody look any more: the run is over.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        for slot in &self.slots {
            self.vacate(&mut slot.write().unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn vacate(&self, slot: &mut Option<Slot>) {
        if slot.take().is_some() {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A place at a feed. Whoever has it can end the looking from another thread.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    feed: Arc<ShadowFeed>,
    index: usize,
    counts: Arc<Counts>,
}

impl Seat {
    /// Gives the place up, if it is still held; what waits can still be taken.
    pub(super) fn leave(&self) {
        let mut slot = self.feed.slots[self.index].write().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_some_and(|slot| Arc::ptr_eq(&slot.counts, &self.counts)) {
            self.feed.vacate(&mut slot);
        }
    }
}

/// Where the batches come out.
#[derive(Debug)]
pub(super) struct Onlooker {
    batches: Receiver<Seen>,
    counts: Arc<Counts>,
}

/// What an onlooker sees.
#[derive(Debug)]
pub(super) enum Sight {
    /// A batch.
    Batch(Box<Seen>),
    /// Nothing until the time given.
    Nothing,
    /// The place was given up.
    Over,
}

impl Onlooker {
    /// Waits for the next batch, until `end` at most.
    pub(super) fn next(&self, end: Instant) -> Sight {
        let wait = end.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Sight::Nothing;
        }
        match self.batches.recv_timeout(wait) {
            Ok(seen) => {
                self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
                Sight::Batch(Box::new(seen))
            }
            Err(RecvTimeoutError::Timeout) => Sight::Nothing,
            Err(RecvTimeoutError::Disconnected) => Sight::Over,
        }
    }

    /// Batches that found the queue full.
    pub(super) fn missed(&self) -> u64 {
        self.counts.missed.load(Ordering::Relaxed)
    }
}
