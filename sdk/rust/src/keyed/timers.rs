//! Timers of the key in hand and the clock that fires them. Changes are collected over a call; of those of one key and
//! time the last one stands.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::task::{Keys, RawTask};
use crate::value::Timestamp;

/// The timers of the key in hand, and event time. A timer fires once the watermark has reached its time: all rows below
/// it that were not late have been processed then. A key has one timer for each time.
pub struct Timers {
    watermark: Option<i64>,
    keys: Rc<Keys>,
    /// Number of the key in hand.
    key: u32,
    /// By key and time: set, or cancelled.
    changed: BTreeMap<(u32, i64), bool>,
}

impl Timers {
    #[inline]
    pub(super) fn new(watermark: Option<i64>, keys: Rc<Keys>) -> Self {
        Self { watermark, keys, key: 0, changed: BTreeMap::new() }
    }

    /// Takes the key of a row in hand.
    #[inline]
    pub(super) fn take(&mut self, row: u32) {
        self.key = self.keys.of_row(row);
    }

    /// Sets a timer for the key in hand. One at or below the watermark fires with its next move.
    #[inline]
    pub fn set(&mut self, at: Timestamp) {
        self.changed.insert((self.key, at.0), true);
    }

    /// Cancels the timer of the key in hand that was set for this time, if there is one that is not being fired.
    #[inline]
    pub fn cancel(&mut self, at: Timestamp) {
        self.changed.insert((self.key, at.0), false);
    }

    /// Where event time stands: no row below it is in time. None before the first move; the largest number once the
    /// inputs have ended.
    #[inline]
    pub fn watermark(&self) -> Option<Timestamp> {
        self.watermark.map(Timestamp)
    }

    /// True if a row of this event time is late.
    #[inline]
    pub fn is_late(&self, event_time: Timestamp) -> bool {
        self.watermark.is_some_and(|watermark| event_time.0 < watermark)
    }

    #[inline]
    pub(super) fn finish(self, task: &dyn RawTask) {
        let of = |wanted: bool| {
            let timers = self.changed.iter().filter(move |(_, set)| **set == wanted);
            let (numbers, micros): (Vec<u32>, Vec<i64>) = timers.map(|(timer, _)| *timer).unzip();
            (self.keys.pick(numbers), micros)
        };
        let (keys, micros) = of(false);
        if !micros.is_empty() {
            task.cancel_timers(&keys, &micros);
        }
        let (keys, micros) = of(true);
        if !micros.is_empty() {
            task.set_timers(&keys, &micros);
        }
    }
}
