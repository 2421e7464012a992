//! Event time of a partition: how far it is complete, and which messages came too late for that. Event times
//! and timestamps of its messages enter in the order of their offsets; late rows and a watermark leave. Nothing
//! of this looks at a clock, so the same messages are late however batches are cut and whoever reads them, see
//! `docs/adr/0008-watermarks.md`; only `silence` counts time that passes.

mod event_time;
mod rows;
mod silence;

#[cfg(test)]
mod tests;

use std::time::Duration;

use arrow::array::{Array as _, TimestampMicrosecondArray};

pub use rows::{flag, reason, take_out};
pub use silence::Silence;

pub(crate) use event_time::EventTime;

/// How event time of a stream is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatermarkSettings {
    /// How far the watermark stays behind the newest event time, in microseconds; 0 or more.
    pub delay_us: i64,
    /// An event time further ahead of its message's timestamp than this does not move the watermark, in
    /// microseconds; 0 or more.
    pub ahead_us_max: i64,
    /// After this long without an event time the partition is idle.
    pub idle: Duration,
    /// What becomes of late rows.
    pub late: LatePolicy,
}

/// What becomes of late rows. The raw table has them whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatePolicy {
    /// The same as of others; they are counted.
    Keep,
    /// The same as of others, and `_late` says of each row whether it was.
    Flag,
    /// Behind the steps they go to a table of their own.
    Table,
    /// They become dead letters before the first step.
    DeadLetters,
}

/// The watermark of one partition: the time up to which its event times are taken to be complete. It is the
/// newest event time so far less a delay, and never goes back.
#[derive(Clone, Debug)]
pub struct PartitionWatermark {
    delay_us: i64,
    ahead_us_max: i64,
    micros: i64,
}

/// Before the first event time: nothing is late.
const NONE: i64 = i64::MIN;

/// What the watermark says of some messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Late rows, rising.
    pub late: Vec<LateRow>,
    /// Rows whose event time was too far ahead of their timestamp to move the watermark.
    pub ahead: u64,
    /// Rows whose event time counted: all but those that are ahead or have none.
    pub counted: u64,
}

/// A row whose event time was before the watermark as it stood before the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateRow {
    /// Number of the row in its batch.
    pub row: usize,
    /// By how many microseconds; 1 or more.
    pub by_us: i64,
}

impl PartitionWatermark {
    /// The watermark in front of a message: `start` is that of the log behind the message before it, in
    /// microseconds since the epoch, none if that partition has had no event time yet.
    pub fn new(settings: &WatermarkSettings, start: Option<i64>) -> Self {
        let WatermarkSettings { delay_us, ahead_us_max, .. } = *settings;
        Self { delay_us, ahead_us_max, micros: start.unwrap_or(NONE) }
    }

    /// Microseconds since the epoch; none before the first event time.
    pub fn micros(&self) -> Option<i64> {
        (self.micros != NONE).then_some(self.micros)
    }

    /// Takes the next messages, in the order of their offsets: their event times and timestamps, row by row.
    /// A message without a timestamp has nothing that its event time could be ahead of.
    ///
    /// # Panics
    /// If the columns differ in length.
    pub fn observe(
        &mut self,
        event_times: &TimestampMicrosecondArray,
        timestamps: &TimestampMicrosecondArray,
    ) -> Observed {
        assert_eq!(event_times.len(), timestamps.len(), "columns of one batch");
        let values = event_times.values().iter().copied().map(Some);
        match (event_times.null_count(), timestamps.null_count()) {
            (0, 0) => self.pass(values.zip(timestamps.values().iter().copied().map(Some))),
            (0, nulls) if nulls == timestamps.len() => self.pass(values.zip(std::iter::repeat(None))),
            _ => self.pass(event_times.iter().zip(timestamps.iter())),
        }
    }

    fn pass(&mut self, rows: impl Iterator<Item = (Option<i64>, Option<i64>)>) -> Observed {
        let Self { delay_us, ahead_us_max, mut micros } = *self;
        let mut observed = Observed::default();
        for (row, (event_time, timestamp)) in rows.enumerate() {
            let Some(event_time) = event_time else { continue };
            if event_time < micros {
                observed.late.push(LateRow { row, by_us: micros.saturating_sub(event_time) });
            } else if timestamp.is_some_and(|at| event_time.saturating_sub(at) > ahead_us_max) {
                observed.ahead += 1;
                continue;
            }
            micros = micros.max(event_time.saturating_sub(delay_us));
            observed.counted += 1;
        }
        self.micros = micros;
        observed
    }
}
