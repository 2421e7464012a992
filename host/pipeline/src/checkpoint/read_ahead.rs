//! Reads entries before they are asked for: whoever opens a log reads one after the other, and each costs
//! a round trip. It begins with one and reads ever more as long as the next one is what is asked for, so
//! that looking for the head of the log stays one request. Holds found entries only: an empty slot is
//! looked at when its turn comes.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use millstream_log::Event;
use millstream_model::entry::Sequence;

use super::error::LogError;
use super::store::LogStore;

/// Entries that are asked for at once.
const WINDOW_MAX: u64 = 32;

#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    fetched: BTreeMap<Sequence, Bytes>,
    window: u64,
    next: Sequence,
}

impl ReadAhead {
    /// The answer to a look into slot `sequence`.
    pub(super) async fn get(&mut self, store: &LogStore, sequence: Sequence) -> Result<Event, LogError> {
        let in_turn = std::mem::replace(&mut self.next, sequence + 1) == sequence;
        if let Some(bytes) = self.fetched.remove(&sequence) {
            return Ok(Event::Found(bytes));
        }
        self.fetched.clear();
        self.window = if in_turn { (2 * self.window).clamp(1, WINDOW_MAX) } else { 1 };
        let slots = stream::iter(sequence..sequence + self.window);
        let reads = slots.map(|slot| async move { store.entry(slot).await.map(|bytes| (slot, bytes)) });
        let read: Vec<_> = reads.buffered(WINDOW_MAX as usize).try_collect().await?;
        let mut found = read.into_iter().map_while(|(slot, bytes)| Some((slot, bytes?)));
        let Some((_, bytes)) = found.next() else { return Ok(Event::NotFound) };
        self.fetched.extend(found);
        Ok(Event::Found(bytes))
    }

    /// Forgets what was fetched; the next look stands for itself.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}
