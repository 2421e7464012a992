//! Lets onlookers see rows as they pass. The data path offers each batch at each place of a stream; where
//! nobody looks that is one relaxed load. An onlooker gets references to the batches, over a queue of a
//! few; what finds the queue full is counted and passed by, so that nobody who looks can slow a stream.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tokio::sync::mpsc;

use crate::decode::Decoder;
use crate::plan::StreamPlan;

/// Onlookers of one stream at most.
pub const TAPS_MAX: usize = 8;
/// Batches that may wait for one onlooker.
const BATCHES_MAX: usize = 4;

/// Where an onlooker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind so many steps: 0 is in front of the first one.
    Behind(usize),
    /// Where dead letters leave the stream.
    DeadLetters,
}

/// Who looks at one stream.
#[derive(Debug)]
pub struct Taps {
    /// Schema of the rows behind 0, 1, … steps.
    schemas: Mutex<Vec<SchemaRef>>,
    dead_letters: SchemaRef,
    open: AtomicU32,
    closed: AtomicBool,
    /// Held by who comes, so that nobody writes to a slot that another one has just taken.
    coming: Mutex<()>,
    /// A slot is written only when its own onlooker comes or goes, so a thread that finds it being written
    /// misses nothing that somebody was promised.
    slots: [RwLock<Option<Slot>>; TAPS_MAX],
}

#[derive(Debug)]
struct Slot {
    place: Place,
    schema: SchemaRef,
    batches: mpsc::Sender<RecordBatch>,
    skipped: Arc<AtomicU64>,
}

/// Why there is no room for another onlooker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TapError {
    /// Too many look already.
    #[error("{TAPS_MAX} taps are open on this stream, which is the most; end one of them")]
    TooMany,
    /// The run is ending.
    #[error("the run is ending")]
    Ending,
    /// The place is gone: the stream has fewer steps now.
    #[error("the steps of this stream have just changed; ask again")]
    Changed,
}

impl Taps {
    /// Nobody looks yet.
    pub fn new(plan: &StreamPlan) -> Self {
        Self {
            schemas: Mutex::new(schemas(plan)),
            dead_letters: plan.dead_letters.schema.clone(),
            open: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            coming: Mutex::default(),
            slots: Default::default(),
        }
    }

    /// Columns of the rows at `place`; none if the stream has no such place.
    fn schema(&self, place: Place) -> Option<SchemaRef> {
        match place {
            Place::Behind(steps) => lock(&self.schemas).get(steps).cloned(),
            Place::DeadLetters => Some(self.dead_letters.clone()),
        }
    }

    /// The stream is of `plan` from now on. Taps end whose place is gone or has other columns now.
    pub(crate) fn enter(&self, plan: &StreamPlan) {
        let _coming = lock(&self.coming);
        let now = schemas(plan);
        let before = std::mem::replace(&mut *lock(&self.schemas), now.clone());
        if before == now {
            return;
        }
        for slot in &self.slots {
            let mut slot = slot.write().unwrap_or_else(PoisonError::into_inner);
            let place = slot.as_ref().map(|slot| slot.place);
            if let Some(Place::Behind(steps)) = place
                && before.get(steps) != now.get(steps)
            {
                slot.take();
            }
        }
    }

    /// True if anybody looks, wherever.
    pub fn has_onlookers(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// Shows `rows` to whoever looks at `place`. Never waits.
    pub fn offer(&self, place: Place, rows: &RecordBatch) {
        if self.has_onlookers() {
            self.hand_out(place, rows);
        }
    }

    #[cold]
    fn hand_out(&self, place: Place, rows: &RecordBatch) {
        for slot in &self.slots {
            let Ok(slot) = slot.try_read() else { continue };
            let Some(slot) = slot.as_ref().filter(|slot| slot.place == place && rows.num_rows() > 0) else {
                continue;
            };
            // While threads take up other steps, one after the other, rows of both kinds pass.
            if slot.schema != rows.schema() {
                continue;
            }
            if let Err(mpsc::error::TrySendError::Full(_)) = slot.batches.try_send(rows.clone()) {
                slot.skipped.fetch_add(rows.num_rows() as u64, Ordering::Relaxed);
            }
        }
    }

    /// Looks at `place` from now on.
    ///
    /// # Errors
    /// If too many look already, the stream has no such place, or the run is ending.
    pub fn open(self: &Arc<Self>, place: Place) -> Result<Tap, TapError> {
        let _coming = lock(&self.coming);
        let schema = self.schema(place).ok_or(TapError::Changed)?;
        for (index, slot) in self.slots.iter().enumerate() {
            if slot.read().unwrap_or_else(PoisonError::into_inner).is_some() {
                continue;
            }
            let mut slot = slot.write().unwrap_or_else(PoisonError::into_inner);
            if self.closed.load(Ordering::Relaxed) {
                return Err(TapError::Ending);
            }
            let (batches, receiver) = mpsc::channel(BATCHES_MAX);
            let skipped = Arc::new(AtomicU64::new(0));
            *slot = Some(Slot { place, schema: schema.clone(), batches, skipped: skipped.clone() });
            self.open.fetch_add(1, Ordering::Relaxed);
            return Ok(Tap { taps: self.clone(), index, schema, batches: receiver, skipped });
        }
        Err(TapError::TooMany)
    }

    /// Ends all taps, and lets nobody look any more: the run is over.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        for slot in &self.slots {
            slot.write().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

/// Schemas of the rows behind 0, 1, … steps of `plan`.
fn schemas(plan: &StreamPlan) -> Vec<SchemaRef> {
    let decoder =
        Decoder::new(plan.schema.clone()).expect("the plan was made with a decoder of the same schema");
    let behind = plan.steps.iter().map(|step| step.step.output_schema());
    std::iter::once(decoder.row_schema()).chain(behind).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An onlooker's end. Dropping it ends the tap.
#[derive(Debug)]
pub struct Tap {
    taps: Arc<Taps>,
    index: usize,
    schema: SchemaRef,
    batches: mpsc::Receiver<RecordBatch>,
    skipped: Arc<AtomicU64>,
}

impl Tap {
    /// Columns of the rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next rows; none when the run is over, or the rows at this place have other columns now.
    pub async fn next(&mut self) -> Option<RecordBatch> {
        self.batches.recv().await
    }

    /// As [`Tap::next`], for threads that may wait.
    pub fn blocking_next(&mut self) -> Option<RecordBatch> {
        self.batches.blocking_recv()
    }

    /// Rows that passed unseen since the last call.
    pub fn take_skipped(&self) -> u64 {
        self.skipped.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.taps.slots[self.index].write().unwrap_or_else(PoisonError::into_inner).take();
        self.taps.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn taps() -> Arc<Taps> {
        let schema = rows(1).schema();
        Arc::new(Taps {
            schemas: Mutex::new(vec![schema.clone()]),
            dead_letters: schema,
            open: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            coming: Mutex::default(),
            slots: Default::default(),
        })
    }

    fn rows(count: i64) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count));
        RecordBatch::try_from_iter([("n", numbers)]).unwrap()
    }

    #[tokio::test]
    async fn who_does_not_keep_up_misses_rows_and_is_told_how_many() {
        let taps = taps();
        taps.offer(Place::Behind(0), &rows(1));
        let mut tap = taps.open(Place::Behind(0)).unwrap();
        for _ in 0..BATCHES_MAX + 2 {
            taps.offer(Place::Behind(0), &rows(10));
            taps.offer(Place::DeadLetters, &rows(1));
        }
        assert_eq!((tap.take_skipped(), tap.take_skipped()), (20, 0));
        for _ in 0..BATCHES_MAX {
            assert_eq!(tap.next().await.unwrap().num_rows(), 10);
        }
        taps.close();
        assert!(tap.next().await.is_none());
        assert_eq!(taps.open(Place::Behind(0)).unwrap_err(), TapError::Ending);
    }

    /// Who came once locked the slots of the others while it looked for a free one, and what was offered
    /// just then was neither seen nor counted.
    #[test]
    fn nobody_misses_rows_because_another_one_comes() {
        const OFFERED: u64 = 50_000;
        let taps = taps();
        let mut tap = taps.open(Place::Behind(0)).unwrap();
        let mut seen = 0;
        std::thread::scope(|scope| {
            let others =
                scope.spawn(|| (0..20_000).for_each(|_| drop(taps.open(Place::DeadLetters).unwrap())));
            let rows = rows(1);
            for _ in 0..OFFERED {
                taps.offer(Place::Behind(0), &rows);
                seen += tap.batches.try_recv().map_or(0, |rows| rows.num_rows() as u64);
            }
            others.join().unwrap();
        });
        while let Ok(rows) = tap.batches.try_recv() {
            seen += rows.num_rows() as u64;
        }
        assert_eq!(seen + tap.take_skipped(), OFFERED);
    }

    #[test]
    fn a_place_is_free_again_when_its_onlooker_has_gone() {
        let taps = taps();
        let mut open: Vec<_> = (0..TAPS_MAX).map(|_| taps.open(Place::DeadLetters).unwrap()).collect();
        assert_eq!(taps.open(Place::DeadLetters).unwrap_err(), TapError::TooMany);
        open.pop();
        open.push(taps.open(Place::DeadLetters).unwrap());
        drop(open);
        assert_eq!(taps.open.load(Ordering::Relaxed), 0);
    }
}
