//! What is worked out of a decoded batch before the steps: which messages are late, and where event time
//! stands behind it. All of it can be thrown away, and the batch begun again.

use arrow::array::RecordBatch;
use millstream_model::entry::Counters;
use millstream_model::{MessageBatch, Offset};

use super::Task;
use crate::decode::{Decoded, Failure};
use crate::watermark::{self, EventTime, LatePolicy, LateRow};

/// A decoded batch, without the rows that go to the steps.
pub(super) struct Prepared {
    /// All messages, as rows of the raw table.
    pub(super) raw: RecordBatch,
    /// Those that could not be decoded.
    pub(super) failures: Vec<Failure>,
    /// Those that are late.
    pub(super) late: Vec<LateRow>,
    /// True if late messages become dead letters instead of going to the steps.
    pub(super) buries_late: bool,
    /// Event time behind the batch; none if the stream has none.
    pub(super) event_time: Option<EventTime>,
    /// What is counted of the batch already.
    pub(super) counters: Counters,
}

impl Prepared {
    /// Offsets of the late messages, rising.
    pub(super) fn late_offsets(&self, batch: &MessageBatch) -> Vec<Offset> {
        self.late.iter().map(|late| batch.get(late.row).offset).collect()
    }
}

impl Task {
    /// Judges a decoded batch; gives the rows for the steps beside what is kept for its end.
    pub(super) fn prepare(&mut self, mut decoded: Decoded) -> (Prepared, RecordBatch) {
        let plan = &self.start.plan;
        let mut counters = Counters { drift: self.decoder.take_drift(), ..Counters::default() };
        let mut event_time = self.event_time.clone();
        let late = event_time.as_mut().map(|event_time| event_time.observe(&decoded.raw, &mut counters));
        let late = late.unwrap_or_default();
        if plan.schema.flags_late {
            watermark::flag(&mut decoded, &late);
        }
        let buries_late = plan.watermark.is_some_and(|watermark| watermark.late == LatePolicy::DeadLetters);
        if buries_late {
            watermark::take_out(&mut decoded, &late);
        }
        let Decoded { raw, rows, failures } = decoded;
        (Prepared { raw, failures, late, buries_late, event_time, counters }, rows)
    }
}
