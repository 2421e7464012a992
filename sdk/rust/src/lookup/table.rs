//! Rows of a table, read one by one or many at once. Keys enter, rows leave that serde has made of the host's JSON.

use std::borrow::Cow;
use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;

use serde::de::DeserializeOwned;

use super::{LooksUp, columns};
use crate::batch::{Bytes, RawBatch};
use crate::column::{Builder, Column};
use crate::plan::{ConfigProblem, Input, InputPlan, TableUse};
use crate::slices::{Binaries, SlicesBuilder};

/// What a row is found by: text, bytes, or an integer; `None` finds nothing.
pub trait LookupKey {
    /// Appends the key as the host knows it.
    #[doc(hidden)]
    fn append(&self, keys: &mut SlicesBuilder<Vec<u8>>);
}

impl LookupKey for [u8] {
    #[inline]
    fn append(&self, keys: &mut SlicesBuilder<Vec<u8>>) {
        keys.push(self);
    }
}

impl LookupKey for str {
    #[inline]
    fn append(&self, keys: &mut SlicesBuilder<Vec<u8>>) {
        keys.push(self.as_bytes());
    }
}

impl LookupKey for String {
    #[inline]
    fn append(&self, keys: &mut SlicesBuilder<Vec<u8>>) {
        keys.push(self.as_bytes());
    }
}

impl LookupKey for i32 {
    #[inline]
    fn append(&self, keys: &mut SlicesBuilder<Vec<u8>>) {
        keys.push(self.to_string().as_bytes());
    }
}

impl LookupKey for i64 {
    #[inline]
    fn append(&self, keys: &mut SlicesBuilder<Vec<u8>>) {
        keys.push(self.to_string().as_bytes());
    }
}

impl<K: LookupKey + ?Sized> LookupKey for &K {
    #[inline]
    fn append(&self, keys: &mut SlicesBuilder<Vec<u8>>) {
        (**self).append(keys);
    }
}

impl<K: LookupKey> LookupKey for Option<K> {
    #[inline]
    fn append(&self, keys: &mut SlicesBuilder<Vec<u8>>) {
        match self {
            Some(key) => key.append(keys),
            None => keys.push_null(),
        }
    }
}

/// A table whose rows are read. `T` is a struct that serde reads; its fields are the columns that the plan names,
/// and no other enters the plugin. Values come as in JSON: instants as text, nulls as `None`.
pub struct Table<T> {
    name: Cow<'static, str>,
    rows: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Table<T> {
    /// The table of this name.
    #[inline]
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), rows: PhantomData }
    }

    /// The row of `key`. For the rows of a batch [`Table::get_many`] asks once, from
    /// [`Transform::prepare`](crate::Transform::prepare).
    ///
    /// # Panics
    /// If the row is not as `T` says: the row in hand becomes a dead letter with the line of this call.
    #[track_caller]
    #[inline]
    pub fn get(&self, key: impl LookupKey) -> Option<T> {
        self.get_many([key]).pop().flatten()
    }

    /// The row of each key, in their order.
    ///
    /// # Panics
    /// As [`Table::get`].
    #[track_caller]
    #[inline]
    pub fn get_many<K: LookupKey>(&self, keys: impl IntoIterator<Item = K>) -> Vec<Option<T>> {
        let mut builder = SlicesBuilder::new(0);
        keys.into_iter().for_each(|key| key.append(&mut builder));
        let keys = Bytes::from(builder.finish());
        let found = Binaries::from(look_up(&self.name, &keys));
        let keys = Binaries::from(keys);
        let mut rows = Vec::with_capacity(found.rows());
        for number in 0..found.rows() {
            // No closure: the line that is told is the caller's.
            rows.push(match found.get(number).map(serde_json::from_slice) {
                None => None,
                Some(Ok(row)) => Some(row),
                Some(Err(error)) => {
                    let key = String::from_utf8_lossy(keys.get(number).unwrap_or_default());
                    panic!(
                        "the row of `{key}` in lookup table `{}` is not as its type says: {error}",
                        self.name
                    )
                }
            });
        }
        rows
    }
}

impl<T: DeserializeOwned> LooksUp for Table<T> {
    #[inline]
    fn declare(&mut self, _: &Input, _: &mut InputPlan, problems: &mut Vec<ConfigProblem>) -> TableUse {
        let columns = columns::columns::<T>().unwrap_or_else(|| {
            let message =
                format!("rows of lookup table `{}` are no struct: its fields name the columns", self.name);
            problems.push(ConfigProblem::new("", message));
            &[]
        });
        TableUse {
            name: self.name.clone().into_owned(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        }
    }

    #[inline]
    fn begin(&mut self, _: &dyn RawBatch, _: &Rc<Cell<u32>>) {}
}

#[cfg(target_arch = "wasm32")]
#[inline]
fn look_up(table: &str, keys: &Bytes) -> Bytes {
    crate::bindings::millstream::plugin::lookup::Table::new(table).get_many(keys)
}

#[cfg(not(target_arch = "wasm32"))]
#[track_caller]
#[inline]
fn look_up(table: &str, keys: &Bytes) -> Bytes {
    crate::testing::look_up(table, keys)
}
