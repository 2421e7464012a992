//! Splits a batch by the UTC day of its event times. A batch whose rows share a day, as nearly all
//! do, passes as it is; rows keep their order within a day.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::{max, min, take_record_batch};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;

use super::DAY;

/// What stands in a path for a null partition value, as Hive has it.
const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Days since 1970-01-01 of 0001-01-01 and of 9999-12-31: what readers can parse as a date.
const FIRST_DAY: i64 = -719_162;
const LAST_DAY: i64 = 2_932_896;

/// The day that a row is filed under. Rows without an event time, or with one outside the years 1
/// to 9999, have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(Option<i64>);

impl Day {
    fn of(micros: Option<i64>) -> Self {
        let day = micros.map(|micros| micros.div_euclid(MICROS_PER_DAY));
        Self(day.filter(|day| (FIRST_DAY..=LAST_DAY).contains(day)))
    }

    /// The day as `2026-01-31`.
    pub(super) fn value(self) -> Option<String> {
        self.0.map(|days| {
            let (year, month, day) = civil_from_days(days);
            format!("{year:04}-{month:02}-{day:02}")
        })
    }

    /// The folder of the day's files: `day=2026-01-31`.
    pub(super) fn folder(self) -> String {
        format!("{DAY}={}", self.value().as_deref().unwrap_or(NULL_PARTITION))
    }
}

/// Year, month and day of a day since 1970-01-01, proleptic Gregorian. Method: Howard Hinnant,
/// "chrono-compatible low-level date algorithms".
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// True if a column of this type can partition a table.
pub(super) fn is_event_time(ty: &DataType) -> bool {
    matches!(ty, DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC")
}

/// The rows of `batch` by the day of column number `event_time`, which is of the type that
/// [`is_event_time`] takes.
pub(super) fn split(batch: &RecordBatch, event_time: usize) -> Result<Vec<(Day, RecordBatch)>, ArrowError> {
    let times = batch.column(event_time).as_primitive::<TimestampMicrosecondType>();
    if let Some(day) = only_day(times) {
        return Ok(vec![(day, batch.clone())]);
    }
    let mut rows_by_day: BTreeMap<Day, Vec<u32>> = BTreeMap::new();
    for (row, micros) in (0u32..).zip(times.iter()) {
        rows_by_day.entry(Day::of(micros)).or_default().push(row);
    }
    let parts = rows_by_day.into_iter();
    parts.map(|(day, rows)| Ok((day, rows_of(batch, rows)?))).collect()
}

fn only_day(times: &TimestampMicrosecondArray) -> Option<Day> {
    if times.null_count() == times.len() {
        return Some(Day(None));
    }
    let (first, last) = (Day::of(min(times)), Day::of(max(times)));
    let same = first == last && first.0.is_some() && times.null_count() == 0;
    same.then_some(first)
}

/// Rows in rising order; a run of neighbours is a slice and costs nothing.
fn rows_of(batch: &RecordBatch, rows: Vec<u32>) -> Result<RecordBatch, ArrowError> {
    let first = rows.first().map_or(0, |row| *row as usize);
    let end = rows.last().map_or(0, |row| *row as usize + 1);
    if end - first == rows.len() {
        return Ok(batch.slice(first, rows.len()));
    }
    take_record_batch(batch, &UInt32Array::from(rows))
}
