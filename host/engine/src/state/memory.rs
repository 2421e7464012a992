//! State in memory, for tests and small streams: lost with the process, bounded in bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Changes, KeyValue, StateError, StoreSpec, TaskState, Timer};

/// What an entry or a timer is counted beside its bytes.
const OVERHEAD_BYTES: usize = 64;

/// State of one task in memory.
#[derive(Debug)]
pub struct MemoryState {
    bytes_max: usize,
    task: Mutex<Task>,
}

#[derive(Clone, Debug, Default)]
struct Task {
    stores: BTreeMap<String, Store>,
    timers: BTreeSet<Timer>,
    watermark: Option<i64>,
}

#[derive(Clone, Debug, Default)]
struct Store {
    ttl_micros: Option<i64>,
    entries: BTreeMap<Vec<u8>, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Vec<u8>,
    /// Watermark at the last put; none before the first watermark.
    put_at: Option<i64>,
}

impl MemoryState {
    /// Empty state for a plan with these stores, of at most `bytes_max` bytes of keys, values and timers.
    pub fn new(stores: &[StoreSpec], bytes_max: usize) -> Self {
        let micros = |seconds: u64| i64::try_from(seconds.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
        let store = |spec: &StoreSpec| {
            let store = Store { ttl_micros: spec.ttl_seconds.map(micros), entries: BTreeMap::new() };
            (spec.name.clone(), store)
        };
        let task = Task { stores: stores.iter().map(store).collect(), ..Task::default() };
        Self { bytes_max, task: Mutex::new(task) }
    }

    fn lock(&self) -> MutexGuard<'_, Task> {
        // A commit replaces the task as a whole, so what a panic left behind is whole as well.
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TaskState for MemoryState {
    fn watermark(&self) -> Option<i64> {
        self.lock().watermark
    }

    fn get_many(
        &self,
        store: &str,
        keys: &[&[u8]],
        moving_to: Option<i64>,
        bytes_max: usize,
    ) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        let task = self.lock();
        let store = task.store(store)?;
        let value = |key: &&[u8]| {
            let entry = store.entries.get(*key)?;
            let lives = moving_to.is_none_or(|watermark| store.outlives(entry, watermark));
            lives.then_some(&entry.value)
        };
        let values: Vec<Option<&Vec<u8>>> = keys.iter().map(value).collect();
        if values.iter().flatten().map(|value| value.len()).sum::<usize>() > bytes_max {
            return Err(StateError::TooLarge { bytes_max });
        }
        Ok(values.into_iter().map(Option::<&Vec<u8>>::cloned).collect())
    }

    fn due(&self, watermark: i64) -> Result<Vec<Timer>, StateError> {
        Ok(self.lock().timers.iter().take_while(|timer| timer.micros <= watermark).cloned().collect())
    }

    fn commit(&self, changes: Changes) -> Result<(), StateError> {
        let mut task = self.lock();
        if let Some(unknown) = changes.puts.keys().find(|store| !task.stores.contains_key(store.as_ref())) {
            return Err(StateError::UnknownStore { store: unknown.to_string() });
        }
        let growth = growth(&changes);
        // Counting all of it costs as much as copying it, so both happen only where it may matter.
        if growth > 0 && task.bytes().saturating_add(growth) > self.bytes_max {
            let mut changed = task.clone();
            changed.apply(changes);
            if changed.bytes() > self.bytes_max {
                return Err(StateError::Full { bytes_max: self.bytes_max });
            }
            *task = changed;
            return Ok(());
        }
        task.apply(changes);
        Ok(())
    }

    fn entries(&self, store: &str) -> Result<Vec<KeyValue>, StateError> {
        let task = self.lock();
        let entries = task.store(store)?.entries.iter();
        Ok(entries.map(|(key, entry)| (key.clone(), entry.value.clone())).collect())
    }

    fn timers(&self) -> Result<Vec<Timer>, StateError> {
        Ok(self.lock().timers.iter().cloned().collect())
    }
}

/// Bytes that changes add at most.
fn growth(changes: &Changes) -> usize {
    let puts = changes.puts.values().flatten();
    let put = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| {
        value.as_ref().map_or(0, |value| key.len() + value.len() + OVERHEAD_BYTES)
    };
    let timers = changes.timers.iter().filter(|(_, set)| **set);
    puts.map(put).sum::<usize>() + timers.map(|(timer, _)| timer.key.len() + OVERHEAD_BYTES).sum::<usize>()
}

impl Task {
    fn store(&self, name: &str) -> Result<&Store, StateError> {
        self.stores.get(name).ok_or_else(|| StateError::UnknownStore { store: name.to_owned() })
    }

    fn bytes(&self) -> usize {
        let entries = self.stores.values().flat_map(|store| &store.entries);
        let entries = entries.map(|(key, entry)| key.len() + entry.value.len() + OVERHEAD_BYTES);
        let timers = self.timers.iter().map(|timer| timer.key.len() + OVERHEAD_BYTES);
        entries.chain(timers).sum()
    }

    fn apply(&mut self, changes: Changes) {
        if let Some(watermark) = changes.moved_to {
            self.move_to(watermark);
        }
        let put_at = self.watermark;
        for (name, puts) in changes.puts {
            let Some(store) = self.stores.get_mut(name.as_ref()) else { continue };
            for (key, value) in puts {
                match value {
                    Some(value) => drop(store.entries.insert(key, Entry { value, put_at })),
                    None => drop(store.entries.remove(&key)),
                }
            }
        }
        for (timer, set) in changes.timers {
            match set {
                true => drop(self.timers.insert(timer)),
                false => drop(self.timers.remove(&timer)),
            }
        }
    }

    fn move_to(&mut self, watermark: i64) {
        self.watermark = Some(watermark);
        self.timers = self.timers.split_off(&Timer { micros: watermark.saturating_add(1), key: Vec::new() });
        if watermark == i64::MAX {
            self.timers.clear();
        }
        for store in self.stores.values_mut().filter(|store| store.ttl_micros.is_some()) {
            let mut entries = std::mem::take(&mut store.entries);
            entries.retain(|_, entry| {
                let lives = store.outlives(entry, watermark);
                entry.put_at.get_or_insert(watermark);
                lives
            });
            store.entries = entries;
        }
    }
}

impl Store {
    /// True if the entry is still there once the watermark has moved to `watermark`.
    fn outlives(&self, entry: &Entry, watermark: i64) -> bool {
        let put_at = entry.put_at.unwrap_or(watermark);
        self.ttl_micros.is_none_or(|ttl| put_at.saturating_add(ttl) > watermark)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn state(ttl_seconds: Option<u64>, bytes_max: usize) -> MemoryState {
        MemoryState::new(&[StoreSpec { name: "s".to_owned(), version: 1, ttl_seconds }], bytes_max)
    }

    fn put(key: &[u8], value: Option<&[u8]>) -> Changes {
        let puts = [(key.to_vec(), value.map(<[u8]>::to_vec))].into();
        Changes { puts: [(Arc::from("s"), puts)].into(), ..Changes::default() }
    }

    fn moved(to: i64) -> Changes {
        Changes { moved_to: Some(to), ..Changes::default() }
    }

    fn timer(micros: i64, key: &[u8]) -> Timer {
        Timer { micros, key: key.to_vec() }
    }

    #[test]
    fn a_value_lives_for_its_time_behind_the_watermark_of_its_put() {
        let state = state(Some(1), 1 << 20);
        let get = |moving_to| state.get_many("s", &[b"k"], moving_to, 1).unwrap()[0].is_some();
        state.commit(put(b"k", Some(b"v"))).unwrap();
        state.commit(moved(5)).unwrap();
        assert!(get(None) && get(Some(1_000_004)), "what was put before the first watermark counts from it");
        assert!(!get(Some(1_000_005)) && get(None));
        state.commit(moved(1_000_004)).unwrap();
        assert!(get(None));
        state.commit(moved(1_000_005)).unwrap();
        assert!(!get(None));
    }

    #[test]
    fn values_are_not_copied_beyond_their_limit() {
        let state = state(None, 1 << 20);
        state.commit(put(b"k", Some(b"value"))).unwrap();
        let get = |keys: &[&[u8]]| state.get_many("s", keys, None, 10);
        assert_eq!(get(&[b"k", b"k"]).unwrap(), [Some(b"value".to_vec()), Some(b"value".to_vec())]);
        assert_eq!(get(&[b"k", b"k", b"k"]).unwrap_err(), StateError::TooLarge { bytes_max: 10 });
    }

    #[test]
    fn a_move_takes_its_timers_before_new_ones_are_set() {
        let state = state(None, 1 << 20);
        let set = |micros| Changes { timers: [(timer(micros, b"k"), true)].into(), ..Changes::default() };
        for micros in [7, 5, 9] {
            state.commit(set(micros)).unwrap();
        }
        assert_eq!(state.due(7).unwrap(), [timer(5, b"k"), timer(7, b"k")]);
        state.commit(Changes { moved_to: Some(7), ..set(6) }).unwrap();
        assert_eq!(state.timers().unwrap(), [timer(6, b"k"), timer(9, b"k")]);
        assert_eq!(state.due(6).unwrap(), [timer(6, b"k")], "it waits for the next move");
        state.commit(moved(i64::MAX)).unwrap();
        assert_eq!(state.timers().unwrap(), []);
    }

    #[test]
    fn what_is_too_much_changes_nothing() {
        let state = state(None, 200);
        state.commit(put(b"a", Some(&[0; 100]))).unwrap();
        assert_eq!(state.commit(put(b"b", Some(&[0; 100]))), Err(StateError::Full { bytes_max: 200 }));
        assert_eq!(state.entries("s").unwrap().len(), 1);
        state.commit(put(b"a", Some(&[1; 120]))).unwrap();
        let unknown = Changes { puts: [(Arc::from("t"), [].into())].into(), ..Changes::default() };
        assert!(matches!(state.commit(unknown), Err(StateError::UnknownStore { .. })));
    }
}
