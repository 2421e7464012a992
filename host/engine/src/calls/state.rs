//! State, timers and the clock of the task in hand. What a call puts and sets is staged like its other effects;
//! its reads see its own puts, those of earlier calls of the same batch, then the task's state.

use std::sync::Arc;

use wasmtime::Result;
use wasmtime::component::Resource;

use super::{Breach, Builder, Calls};
use crate::bindings::types::Bytes;
use crate::bindings::{clock, state, timers};
use crate::column::{self, pack};
use crate::state::{Changes, StateError, StoreSpec, TaskState, Timer};

/// What an entry is charged beside its bytes, so that many small ones are bounded, too.
const OVERHEAD_BYTES: usize = 64;

/// A state store, by its number among the plan's.
#[derive(Debug)]
pub struct Store;

/// The task that a call works for.
pub(crate) struct Task {
    pub(crate) state: Arc<dyn TaskState>,
    pub(crate) stores: Arc<[StoreSpec]>,
    /// What the plugin sees.
    pub(crate) watermark: Option<i64>,
    /// The watermark is on its way there, and not committed.
    pub(crate) moving_to: Option<i64>,
    /// What earlier calls of the same batch or move have changed.
    pub(crate) earlier: Changes,
}

impl Task {
    /// Values as the call in hand sees them, which itself has changed what `own` says; of `bytes_max` bytes together
    /// at most, which is looked at before any is copied.
    fn get_many(
        &self,
        own: &Changes,
        store: &str,
        keys: &[&[u8]],
        bytes_max: usize,
    ) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        let changed = |key: &[u8]| own.value(store, key).or_else(|| self.earlier.value(store, key));
        let mut changes: Vec<Option<Option<&[u8]>>> = Vec::with_capacity(keys.len());
        let mut unchanged: Vec<&[u8]> = Vec::new();
        let mut changed_bytes: usize = 0;
        for key in keys {
            let change = changed(key);
            match change {
                Some(value) => changed_bytes = changed_bytes.saturating_add(value.map_or(0, <[u8]>::len)),
                None => unchanged.push(key),
            }
            changes.push(change);
        }
        let room = bytes_max.checked_sub(changed_bytes).ok_or(StateError::TooLarge { bytes_max })?;
        let mut found = self.state.get_many(store, &unchanged, self.moving_to, room)?.into_iter();
        let value = |change: Option<Option<&[u8]>>| match change {
            Some(value) => value.map(<[u8]>::to_vec),
            None => found.next().flatten(),
        };
        Ok(changes.into_iter().map(value).collect())
    }
}

impl Calls {
    fn task(&self) -> Result<&Task> {
        let outside = || Breach::contract("works on state outside a call to process or fire".to_owned());
        match self.in_hand {
            Some(_) => self.task.as_ref().ok_or_else(outside),
            None => Err(outside()),
        }
    }

    fn store_name(&self, store: &Resource<Store>) -> Result<Arc<str>> {
        let spec = self.task()?.stores.get(store.rep() as usize);
        spec.map(|spec| Arc::from(spec.name.as_str()))
            .ok_or_else(|| Breach::contract("used a state store of another plan".to_owned()))
    }

    fn change_timers(&mut self, keys: &Bytes, micros: &[i64], set: bool) -> Result<()> {
        self.count()?;
        self.task()?;
        let keys = keys_of("timers", keys)?;
        if keys.len() != micros.len() {
            let (keys, times) = (keys.len(), micros.len());
            return Err(Breach::contract(format!("gave {keys} keys and {times} times of timers")));
        }
        self.charge(keys.iter().map(|key| key.len() + OVERHEAD_BYTES).sum())?;
        let timers =
            keys.iter().zip(micros).map(|(key, micros)| Timer { micros: *micros, key: key.to_vec() });
        self.staged.changes.timers.extend(timers.map(|timer| (timer, set)));
        Ok(())
    }
}

/// The keys that a plugin gave; none may be invalid.
fn keys_of<'a>(what: &str, keys: &'a Bytes) -> Result<Vec<&'a [u8]>> {
    let keys =
        column::items(keys).map_err(|how| Breach::contract(format!("gave keys of {what} with {how}")))?;
    let valid: Option<Vec<&[u8]>> = keys.into_iter().collect();
    valid.ok_or_else(|| Breach::contract(format!("gave an invalid key of {what}")))
}

impl clock::Host for Calls {
    fn watermark_micros(&mut self) -> Result<Option<i64>> {
        self.count()?;
        Ok(self.task()?.watermark)
    }
}

impl state::Host for Calls {}

impl state::HostStore for Calls {
    fn new(&mut self, name: String) -> Result<Resource<Store>> {
        self.count()?;
        let number = self.task()?.stores.iter().position(|store| store.name == name);
        let undeclared =
            || Breach::contract(format!("opened state store `{name}`, which its plan does not name"));
        Ok(Resource::new_own(number.ok_or_else(undeclared)? as u32))
    }

    fn get_many(&mut self, store: Resource<Store>, keys: Bytes) -> Result<Bytes> {
        self.count()?;
        let store = self.store_name(&store)?;
        let keys = keys_of("state", &keys)?;
        let values = self.task()?.get_many(&self.staged.changes, &store, &keys, self.room());
        let values = values.map_err(|error| match error {
            StateError::TooLarge { .. } => wasmtime::Error::new(Breach::OutputCap(self.output_bytes)),
            error => wasmtime::Error::new(error),
        })?;
        self.charge(values.iter().flatten().map(Vec::len).sum())?;
        Ok(pack(&values))
    }

    fn put_many(&mut self, store: Resource<Store>, keys: Bytes, values: Bytes) -> Result<()> {
        self.count()?;
        let store = self.store_name(&store)?;
        let keys = keys_of("state", &keys)?;
        let values = column::items(&values)
            .map_err(|how| Breach::contract(format!("gave values of state with {how}")))?;
        if keys.len() != values.len() {
            let (keys, values) = (keys.len(), values.len());
            return Err(Breach::contract(format!("gave {keys} keys and {values} values of state")));
        }
        let size = |(key, value): (&&[u8], &Option<&[u8]>)| {
            key.len() + value.map_or(0, <[u8]>::len) + OVERHEAD_BYTES
        };
        self.charge(keys.iter().zip(&values).map(size).sum())?;
        let puts = self.staged.changes.puts.entry(store).or_default();
        puts.extend(keys.iter().zip(values).map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))));
        Ok(())
    }

    fn drop(&mut self, _: Resource<Store>) -> Result<()> {
        Ok(())
    }
}

impl timers::Host for Calls {
    fn set_many(&mut self, keys: Bytes, micros: Vec<i64>) -> Result<()> {
        self.change_timers(&keys, &micros, true)
    }

    fn cancel_many(&mut self, keys: Bytes, micros: Vec<i64>) -> Result<()> {
        self.change_timers(&keys, &micros, false)
    }

    fn attribute(&mut self, rows: Resource<Builder>, fired: Vec<u32>) -> Result<()> {
        self.attribute_rows(&rows, fired)
    }
}
