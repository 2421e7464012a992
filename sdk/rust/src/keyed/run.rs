//! The loops: over the rows of a batch, and over timers. Values of all keys are fetched, each row or timer is in hand
//! once, and what it changed and emitted is handed over at the end, if all of them went through.

use std::cell::Cell;
use std::rc::Rc;

use super::key::{Key, KeyedRow};
use super::plugin::KeyedPlugin;
use super::task::{Keys, RawTask};
use super::timers::Timers;
use crate::batch::{Bytes, RawBatch};
use crate::bindings::millstream::plugin::types::Error;
use crate::plan::Places;
use crate::removed::Removed;
use crate::slices::Binaries;
use crate::transform::{Outcome, Row, Verdict};
use crate::value::Timestamp;

/// Runs `step` over the rows `R` of a batch whose columns are at `places`.
pub(super) fn rows<P: KeyedPlugin<Kind>, Kind, R: KeyedRow, O: Outcome>(
    plugin: &mut P,
    places: &Places,
    (batch, task): (&dyn RawBatch, &dyn RawTask),
    step: impl Fn(&mut P, &mut <R as Row>::Of<'_>, &mut Timers) -> O,
) {
    let rows = batch.rows();
    let columns = R::open(batch, places);
    let keys = Rc::new(Keys::new((0..rows).map(|row| {
        let mut bytes = Vec::new();
        R::key(&columns, row).encode(&mut bytes);
        bytes
    })));
    let in_hand = Rc::new(Cell::new(0));
    plugin.outputs().begin(&in_hand);
    plugin.lookups().begin(batch, &in_hand);
    plugin.stores().begin(task, &keys, &in_hand);
    let mut timers = Timers::new(task.watermark(), keys);
    let mut builders = R::builders(rows);
    let mut removed = Removed::default();
    for number in 0..rows {
        in_hand.set(number as u32);
        timers.take(number as u32);
        let mut row = R::get(&columns, number);
        match step(plugin, &mut row, &mut timers).verdict() {
            Verdict::Keep => {}
            Verdict::Drop => removed.drop_row(rows, number),
            Verdict::Reject(reason) => removed.reject(rows, number, reason),
        }
        R::put(row, &mut builders);
    }
    R::finish(builders, batch);
    removed.apply(batch);
    plugin.outputs().finish(batch);
    plugin.stores().finish(task);
    timers.finish(task);
}

/// Fires timers.
pub(super) fn timers<P: KeyedPlugin<Kind>, Kind>(
    plugin: &mut P,
    (fired, micros): (Bytes, &[i64]),
    task: &dyn RawTask,
) -> Result<(), Error> {
    let fired = Binaries::from(fired);
    let keys = Rc::new(Keys::new(fired.iter().map(Option::unwrap_or_default)));
    let in_hand = Rc::new(Cell::new(0));
    plugin.outputs().begin(&in_hand);
    plugin.stores().begin(task, &keys, &in_hand);
    let mut timers = Timers::new(task.watermark(), keys);
    for ((key, at), number) in fired.iter().zip(micros).zip(0..) {
        in_hand.set(number);
        timers.take(number);
        plugin.fire(key.unwrap_or_default(), Timestamp(*at), &mut timers)?;
    }
    plugin.outputs().hand_over(|output, fired, write| task.emit_fired(output, fired, write));
    plugin.stores().finish(task);
    timers.finish(task);
    Ok(())
}

/// The key of a timer, as its plugin set it.
pub(super) fn key_of<'a, R: KeyedRow>(bytes: &'a [u8]) -> Result<R::Key<'a>, Error> {
    R::Key::decode(bytes).ok_or_else(|| {
        let text = String::from_utf8_lossy(bytes);
        Error::BadBatch(format!(
            "the timer of `{text}` was set by rows of another key than `{}`",
            R::KEY.join("`, `")
        ))
    })
}
