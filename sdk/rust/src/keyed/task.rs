//! The task in hand, as the SDK sees it. One implementation is the host's, across the ABI, made by
//! [`export_keyed!`](crate::export_keyed); the other is [`crate::testing::Task`]'s, in memory.

use std::collections::BTreeMap;

use crate::batch::{Bytes, WriteColumns};
use crate::column::Builder;
use crate::slices::SlicesBuilder;

/// State, timers and clock of a task.
pub trait RawTask {
    /// Where the watermark stands, in microseconds.
    fn watermark(&self) -> Option<i64>;
    /// Values in the order of the keys, null where there is none.
    fn get_many(&self, store: &str, keys: &Bytes) -> Bytes;
    /// Puts values; null deletes.
    fn put_many(&self, store: &str, keys: &Bytes, values: &Bytes);
    /// Sets timers.
    fn set_timers(&self, keys: &Bytes, micros: &[i64]);
    /// Cancels timers.
    fn cancel_timers(&self, keys: &Bytes, micros: &[i64]);
    /// Adds rows to output number `output`, one for each timer in `fired`, with the columns that `write` writes.
    fn emit_fired(&self, output: u32, fired: Vec<u32>, write: WriteColumns<'_>);
}

/// The keys of a call: each once, and for each row which one is its own.
pub struct Keys {
    distinct: Vec<Vec<u8>>,
    of_row: Vec<u32>,
}

impl Keys {
    #[inline]
    pub(crate) fn new<K: AsRef<[u8]>>(rows: impl Iterator<Item = K>) -> Self {
        let mut numbers: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        let mut of_row = Vec::new();
        for key in rows {
            let next = numbers.len() as u32;
            let number = match numbers.get(key.as_ref()) {
                Some(known) => *known,
                None => *numbers.entry(key.as_ref().to_vec()).or_insert(next),
            };
            of_row.push(number);
        }
        let mut distinct = vec![Vec::new(); numbers.len()];
        numbers.into_iter().for_each(|(key, number)| distinct[number as usize] = key);
        Self { distinct, of_row }
    }

    /// Number of a row's key.
    #[inline]
    pub(crate) fn of_row(&self, row: u32) -> u32 {
        self.of_row[row as usize]
    }

    /// All keys, by their numbers.
    #[inline]
    pub(crate) fn all(&self) -> Bytes {
        pack(self.distinct.iter().map(|key| Some(&**key)))
    }

    /// The keys of these numbers.
    #[inline]
    pub(crate) fn pick(&self, numbers: impl IntoIterator<Item = u32>) -> Bytes {
        pack(numbers.into_iter().map(|number| Some(&*self.distinct[number as usize])))
    }
}

#[inline]
pub(crate) fn pack<'a>(values: impl IntoIterator<Item = Option<&'a [u8]>>) -> Bytes {
    let mut builder = SlicesBuilder::new(0);
    for value in values {
        match value {
            Some(value) => builder.push(value),
            None => builder.push_null(),
        }
    }
    builder.finish().into()
}
