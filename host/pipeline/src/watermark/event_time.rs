//! Event time of a task: decoded batches enter, their late rows leave, and at a checkpoint the watermark for
//! the log.

use std::time::Instant;

use arrow::array::{AsArray as _, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;
use millstream_model::entry::{Counters, Watermark};
use millstream_model::{TopicPartition, columns};

use super::{LateRow, Observed, PartitionWatermark, Silence, WatermarkSettings};

/// Event time of a task.
#[derive(Clone)]
pub(crate) struct EventTime {
    partition: TopicPartition,
    watermark: PartitionWatermark,
    silence: Silence,
}

impl EventTime {
    /// Of `partition`, which stands in the log with this watermark, in microseconds since the epoch.
    pub(crate) fn new(
        settings: &WatermarkSettings,
        partition: TopicPartition,
        start: Option<i64>,
        is_idle: bool,
    ) -> Self {
        Self {
            partition,
            watermark: PartitionWatermark::new(settings, start),
            silence: Silence::new(settings.idle, is_idle),
        }
    }

    /// Takes the next messages, which are the rows of `raw`; gives the late ones, and counts them.
    pub(crate) fn observe(&mut self, raw: &RecordBatch, counters: &mut Counters) -> Vec<LateRow> {
        let Observed { late, ahead, counted } =
            self.watermark.observe(times(raw, columns::EVENT_TIME), times(raw, columns::TIMESTAMP));
        if counted > 0 {
            self.silence.end();
        }
        counters.late += late.len() as u64;
        counters.ahead += ahead;
        late
    }

    /// All that the partition holds has been read.
    pub(crate) fn at_end(&mut self, now: Instant) {
        self.silence.lasts(now);
    }

    /// The watermark for the log, if there is something to say: positions that were read, or that the partition
    /// has become idle.
    pub(crate) fn report(&mut self, has_read: bool) -> Option<Watermark> {
        let micros = self.watermark.micros()?;
        let has_news = self.silence.take_news() || has_read;
        let (partition, idle) = (self.partition.clone(), self.silence.is_idle());
        has_news.then_some(Watermark { partition, micros, idle })
    }
}

fn times<'a>(raw: &'a RecordBatch, column: &str) -> &'a TimestampMicrosecondArray {
    let times = raw.column_by_name(column).expect("a raw batch has its system columns");
    times.as_primitive::<TimestampMicrosecondType>()
}
