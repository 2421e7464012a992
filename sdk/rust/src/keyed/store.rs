//! Values that belong to keys. Those of all keys of a call are fetched before its first row; what is put is seen by the
//! rows that follow and handed over with the last. A value is its bytes, always: what a row reads does not depend on
//! whether the row before it was in the same call.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::task::{Keys, RawTask, pack};
use crate::plan;
use crate::slices::Binaries;

/// A store of values of type `V`, one for each key. Values are encoded by `postcard`, which writes fields one behind the
/// other without their names: a store whose type changes needs another version, or another name. What needs the names
/// is not read as it was put: serde's `skip_serializing_if`, `flatten`, `tag` and `untagged`, and `serde_json::Value`.
pub struct Store<V> {
    name: Cow<'static, str>,
    version: u32,
    ttl_seconds: Option<u64>,
    call: Option<Call>,
    values: PhantomData<fn(V) -> V>,
}

/// The values of a call.
struct Call {
    keys: Rc<Keys>,
    in_hand: Rc<Cell<u32>>,
    found: Binaries,
    /// By the number of the key; none is a deletion.
    changed: BTreeMap<u32, Option<Vec<u8>>>,
}

impl Call {
    #[inline]
    fn key(&self) -> u32 {
        self.keys.of_row(self.in_hand.get())
    }
}

const NO_KEY: &str =
    "no key is in hand here: stores are for `process` and `on_timer`, or it is not named in `stores`";

/// The value that is these bytes. One that is only their beginning was put by another type.
pub(crate) fn decode<V: DeserializeOwned>(bytes: &[u8]) -> Result<V, String> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("it has {} byte(s) more than that", rest.len())),
        Err(error) => Err(error.to_string()),
    }
}

impl<V: Serialize + DeserializeOwned> Store<V> {
    /// The store of this name, which must be granted. `version` is that of the values: one that is raised wants a
    /// migration of what was put before, which this SDK does not write as yet.
    #[inline]
    pub fn new(name: impl Into<Cow<'static, str>>, version: u32) -> Self {
        Self { name: name.into(), version, ttl_seconds: None, call: None, values: PhantomData }
    }

    /// With values that are gone `seconds` of event time after they were put; reading does not renew them.
    #[must_use]
    #[inline]
    pub fn expiring_after(self, seconds: u64) -> Self {
        Self { ttl_seconds: Some(seconds), ..self }
    }

    /// The value of the key in hand.
    ///
    /// # Panics
    /// Outside of [`Keyed::process`](super::Keyed::process) and its like, if the store is not named in `stores`, or if
    /// the value that is there is not one of type `V`: the row or timer in hand becomes a dead letter with the line of
    /// this call.
    #[track_caller]
    #[inline]
    pub fn get(&self) -> Option<V> {
        let call = self.call.as_ref().expect(NO_KEY);
        let key = call.key();
        let bytes = match call.changed.get(&key) {
            Some(changed) => changed.as_deref()?,
            None => call.found.get(key as usize)?,
        };
        match decode(bytes) {
            Ok(value) => Some(value),
            Err(error) => panic!(
                "a value of store `{}` is not as version {} reads it: {error}; raise the version where the type changes",
                self.name, self.version
            ),
        }
    }

    /// Puts the value of the key in hand.
    ///
    /// # Panics
    /// As [`Store::get`], or if the value cannot be encoded.
    #[track_caller]
    #[inline]
    pub fn put(&mut self, value: &V) {
        match postcard::to_allocvec(value) {
            Ok(bytes) => self.change(Some(bytes)),
            Err(error) => panic!("a value for store `{}` cannot be encoded: {error}", self.name),
        }
    }

    /// Deletes the value of the key in hand, if there is one.
    ///
    /// # Panics
    /// Outside of [`Keyed::process`](super::Keyed::process) and its like, or if the store is not named in `stores`.
    #[track_caller]
    #[inline]
    pub fn delete(&mut self) {
        self.change(None);
    }

    #[track_caller]
    #[inline]
    fn change(&mut self, value: Option<Vec<u8>>) {
        let call = self.call.as_mut().expect(NO_KEY);
        call.changed.insert(call.key(), value);
    }
}

/// A [`Store`] of any values.
pub trait Keeps {
    /// What the plan says of it.
    #[doc(hidden)]
    fn declare(&self) -> plan::Store;
    /// A call begins: fetches the values of its keys.
    #[doc(hidden)]
    fn begin(&mut self, task: &dyn RawTask, keys: &Rc<Keys>, in_hand: &Rc<Cell<u32>>);
    /// Hands over what was changed.
    #[doc(hidden)]
    fn finish(&mut self, task: &dyn RawTask);
}

impl<V> Keeps for Store<V> {
    #[inline]
    fn declare(&self) -> plan::Store {
        plan::Store {
            name: self.name.clone().into_owned(),
            version: self.version,
            ttl_seconds: self.ttl_seconds,
        }
    }

    #[inline]
    fn begin(&mut self, task: &dyn RawTask, keys: &Rc<Keys>, in_hand: &Rc<Cell<u32>>) {
        let found = task.get_many(&self.name, &keys.all()).into();
        let (keys, in_hand) = (Rc::clone(keys), Rc::clone(in_hand));
        self.call = Some(Call { keys, in_hand, found, changed: BTreeMap::new() });
    }

    #[inline]
    fn finish(&mut self, task: &dyn RawTask) {
        if let Some(Call { keys, changed, .. }) = self.call.take().filter(|call| !call.changed.is_empty()) {
            let values = pack(changed.values().map(Option::as_deref));
            task.put_many(&self.name, &keys.pick(changed.into_keys()), &values);
        }
    }
}

/// The stores of a plugin, in an order that is always the same.
#[derive(Default)]
pub struct Stores<'a>(Vec<&'a mut dyn Keeps>);

impl<'a> Stores<'a> {
    /// No stores.
    #[inline]
    pub fn none() -> Self {
        Self::default()
    }

    /// One more.
    #[must_use]
    #[inline]
    pub fn and(mut self, store: &'a mut dyn Keeps) -> Self {
        self.0.push(store);
        self
    }

    #[inline]
    pub(crate) fn declare(self) -> Vec<plan::Store> {
        self.0.into_iter().map(|store| store.declare()).collect()
    }

    #[inline]
    pub(crate) fn begin(self, task: &dyn RawTask, keys: &Rc<Keys>, in_hand: &Rc<Cell<u32>>) {
        self.0.into_iter().for_each(|store| store.begin(task, keys, in_hand));
    }

    #[inline]
    pub(crate) fn finish(self, task: &dyn RawTask) {
        self.0.into_iter().for_each(|store| store.finish(task));
    }
}
