//! State, timers and watermark of one task: what a keyed plugin may remember between calls. Plugins change it
//! through [`Changes`], which take effect together or not at all; how it is kept is an implementation's affair.
//! Nothing here knows plugins, wasm or where a task's rows come from.

mod memory;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use memory::MemoryState;

/// A store as a plan declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSpec {
    /// Its name.
    pub name: String,
    /// Version of what its values mean.
    pub version: u32,
    /// How long a value lives behind the watermark of its last put, in seconds of event time; none: until the
    /// plugin deletes it.
    pub ttl_seconds: Option<u64>,
}

/// A timer. Timers are ordered by time, then by key, as they fire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timer {
    /// When it is due, in microseconds of event time since the epoch.
    pub micros: i64,
    /// Its key.
    pub key: Vec<u8>,
}

/// Values of one store by their keys; none: deleted.
pub type Puts = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What a batch of rows, or a move of the watermark, changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The watermark that it brings, in microseconds since the epoch.
    pub moved_to: Option<i64>,
    /// New values, by store.
    pub puts: BTreeMap<Arc<str>, Puts>,
    /// Timers that are set (true) or cancelled (false).
    pub timers: BTreeMap<Timer, bool>,
}

impl Changes {
    /// The value that `key` of `store` gets; the outer none: it is not changed.
    pub fn value(&self, store: &str, key: &[u8]) -> Option<Option<&[u8]>> {
        self.puts.get(store)?.get(key).map(Option::as_deref)
    }

    /// Adds what a later call changes.
    pub fn merge(&mut self, later: Changes) {
        self.moved_to = later.moved_to.or(self.moved_to);
        for (store, puts) in later.puts {
            self.puts.entry(store).or_default().extend(puts);
        }
        self.timers.extend(later.timers);
    }
}

/// State could not be read or changed: no fault of the plugin, which cannot go on without it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The task was made for a plan without this store.
    #[error("the task has no state store `{store}`")]
    UnknownStore {
        /// The store.
        store: String,
    },
    /// There is too much of it.
    #[error(
        "the task's state would need more than {bytes_max} bytes: give its stores a shorter time to live, \
         or allow it more"
    )]
    Full {
        /// What it may have.
        bytes_max: usize,
    },
    /// The values that are asked for have more bytes than are taken at once.
    #[error("the values that are asked for have more than {bytes_max} bytes together")]
    TooLarge {
        /// How many are taken.
        bytes_max: usize,
    },
    /// What keeps it failed.
    #[error("the task's state cannot be kept: {reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}

/// A key of a store and its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// State, timers and watermark of one task of one step. A call sees what was committed before it.
pub trait TaskState: Send + Sync {
    /// The watermark, in microseconds since the epoch; none before the first one.
    fn watermark(&self) -> Option<i64>;

    /// Values of `keys`, in their order; none where there is none. With `moving_to` they are as they will be once
    /// the watermark is there: what has outlived its time by then is absent. A key may be asked for many times;
    /// no more than `bytes_max` bytes of values are ever copied.
    ///
    /// # Errors
    /// If the store is unknown or cannot be read, or the values have more bytes together.
    fn get_many(
        &self,
        store: &str,
        keys: &[&[u8]],
        moving_to: Option<i64>,
        bytes_max: usize,
    ) -> Result<Vec<Option<Vec<u8>>>, StateError>;

    /// Timers at or below `watermark`, by time, then key. They stay in the set until a commit moves there.
    ///
    /// # Errors
    /// If timers cannot be read.
    fn due(&self, watermark: i64) -> Result<Vec<Timer>, StateError>;

    /// Makes `changes` true, all of them or none. A move comes first: it takes the timers that are due out of
    /// the set and removes values that have outlived their time; what is put with it is put at its watermark.
    ///
    /// # Errors
    /// If there is too much state or it cannot be kept; then nothing has changed.
    fn commit(&self, changes: Changes) -> Result<(), StateError>;

    /// All keys and values of a store, by key.
    ///
    /// # Errors
    /// If the store is unknown or cannot be read.
    fn entries(&self, store: &str) -> Result<Vec<KeyValue>, StateError>;

    /// All timers, by time, then key.
    ///
    /// # Errors
    /// If timers cannot be read.
    fn timers(&self) -> Result<Vec<Timer>, StateError>;
}
