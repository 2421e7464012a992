//! What a task has committed: state, timers, watermark and everything that left it. Changed only by
//! calls that returned ok, by moves of the watermark and by dead letters.

use std::collections::{BTreeMap, BTreeSet};

use crate::row::Value;

/// A timer: its time first, for the order in which timers fire.
pub type Timer = (i64, Vec<u8>);

/// Where a row came from or what a dead letter was; the same under every cut.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A row of an input.
    Row {
        /// Index of the input.
        input: u32,
        /// Its offset there.
        offset: u64,
    },
    /// A timer.
    Timer {
        /// The watermark that fired it.
        watermark: i64,
        /// Its time and key.
        timer: Timer,
    },
}

/// A row that the plugin originated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// Index of the plan's output.
    pub output: u32,
    /// Its parent.
    pub origin: Origin,
    /// Its number among the rows of one parent and output.
    pub ordinal: u32,
    /// In the order of the output's fields.
    pub columns: Vec<Value>,
}

/// A row or timer that could not be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// What it was.
    pub origin: Origin,
    /// The plugin's reason, or `trapped`.
    pub reason: String,
}

/// All that left a task, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Input rows that passed, as (input, offset).
    pub kept: Vec<(u32, u64)>,
    /// Rows that the plugin originated.
    pub emitted: Vec<Emitted>,
    /// Rejected and failed ones.
    pub dead: Vec<DeadLetter>,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    value: Vec<u8>,
    /// Watermark at the last put, none before the first watermark.
    put_at: Option<i64>,
}

/// One store of a plan.
#[derive(Debug, Clone, Default)]
struct Store {
    ttl_micros: Option<i64>,
    entries: BTreeMap<Vec<u8>, Entry>,
}

/// A task of one step.
#[derive(Debug, Clone, Default)]
pub struct Task {
    stores: BTreeMap<String, Store>,
    timers: BTreeSet<Timer>,
    watermark: Option<i64>,
    /// What left so far.
    pub outcome: Outcome,
}

impl Task {
    pub(crate) fn declare(&mut self, store: &str, ttl_seconds: Option<u64>) {
        let micros = |seconds: u64| i64::try_from(seconds.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
        self.stores.entry(store.to_owned()).or_default().ttl_micros = ttl_seconds.map(micros);
    }

    pub(crate) fn get(&self, store: &str, key: &[u8]) -> Option<&Vec<u8>> {
        self.stores.get(store)?.entries.get(key).map(|entry| &entry.value)
    }

    pub(crate) fn put(&mut self, store: &str, key: Vec<u8>, value: Option<Vec<u8>>) {
        let put_at = self.watermark;
        let Some(store) = self.stores.get_mut(store) else { return };
        match value {
            Some(value) => drop(store.entries.insert(key, Entry { value, put_at })),
            None => drop(store.entries.remove(&key)),
        }
    }

    pub(crate) fn set_timer(&mut self, timer: Timer, set: bool) {
        if set {
            self.timers.insert(timer);
        } else {
            self.timers.remove(&timer);
        }
    }

    /// The watermark, microseconds since the epoch.
    pub fn watermark(&self) -> Option<i64> {
        self.watermark
    }

    /// Moves the watermark: what is too old leaves the stores, what is due leaves the timers.
    pub(crate) fn move_to(&mut self, watermark: i64) -> Vec<Timer> {
        self.watermark = Some(watermark);
        for store in self.stores.values_mut() {
            let Some(ttl) = store.ttl_micros else { continue };
            store
                .entries
                .retain(|_, entry| entry.put_at.get_or_insert(watermark).saturating_add(ttl) > watermark);
        }
        self.timers.extract_if(.., |(time, _)| *time <= watermark).collect()
    }

    /// Every value of a store, by key.
    pub fn state(&self, store: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let entries = self.stores.get(store).into_iter().flat_map(|store| &store.entries);
        entries.map(|(key, entry)| (key.clone(), entry.value.clone())).collect()
    }

    /// Timers that have not fired.
    pub fn timers(&self) -> &BTreeSet<Timer> {
        &self.timers
    }
}
