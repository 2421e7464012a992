//! Which messages are late, whatever the cuts; and what is done with their rows.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray as _, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use millstream_model::columns;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::rows::mask;
use super::*;
use crate::decode::{Decoded, Failure};

const SETTINGS: WatermarkSettings = WatermarkSettings {
    delay_us: 10,
    ahead_us_max: 1000,
    idle: Duration::from_secs(60),
    late: LatePolicy::Keep,
};

/// A message's event time and timestamp.
type Times = (Option<i64>, Option<i64>);

fn observe(watermark: &mut PartitionWatermark, messages: &[Times]) -> Observed {
    let event_times = messages.iter().map(|(event_time, _)| *event_time).collect();
    let timestamps = messages.iter().map(|(_, timestamp)| *timestamp).collect();
    watermark.observe(&event_times, &timestamps)
}

/// `late`: rows, and by how much; `end`: the watermark behind them.
#[track_caller]
fn check(start: Option<i64>, messages: &[Times], late: &[(usize, i64)], ahead: u64, end: Option<i64>) {
    let mut watermark = PartitionWatermark::new(&SETTINGS, start);
    let observed = observe(&mut watermark, messages);
    let found: Vec<_> = observed.late.iter().map(|late| (late.row, late.by_us)).collect();
    assert_eq!((found.as_slice(), observed.ahead, watermark.micros()), (late, ahead, end), "{messages:?}");
}

#[test]
fn a_message_is_late_that_is_before_the_watermark_before_it() {
    let at = |times: &[i64]| times.iter().map(|time| (Some(*time), None)).collect::<Vec<_>>();
    check(None, &[], &[], 0, None);
    check(None, &at(&[100]), &[], 0, Some(90));
    check(None, &at(&[100, 90, 89, 101, 90]), &[(2, 1), (4, 1)], 0, Some(91));
    check(Some(95), &at(&[94, 95, 104, 106]), &[(0, 1)], 0, Some(96));
    // The log's watermark stays if the delay was made longer.
    check(Some(95), &at(&[100]), &[], 0, Some(95));
    check(None, &at(&[-50, -70]), &[(1, 10)], 0, Some(-60));
    check(None, &at(&[i64::MIN, i64::MAX]), &[], 0, Some(i64::MAX - 10));
}

#[test]
fn a_message_without_event_time_is_never_late_and_moves_nothing() {
    check(None, &[(None, None), (None, Some(5))], &[], 0, None);
    check(
        Some(50),
        &[(None, Some(1)), (Some(70), None), (None, None), (Some(59), None)],
        &[(3, 1)],
        0,
        Some(60),
    );
}

#[test]
fn a_clock_that_is_far_ahead_makes_nothing_late() {
    let messages = [(Some(100), Some(100)), (Some(1101), Some(100)), (Some(95), Some(101))];
    check(None, &messages, &[], 1, Some(90));
    check(None, &[(Some(1100), Some(100)), (Some(100), Some(101))], &[(1, 990)], 0, Some(1090));
    check(None, &[(Some(i64::MAX), Some(i64::MIN)), (Some(0), Some(0))], &[], 1, Some(-10));
    // Without timestamps there is nothing to be ahead of.
    check(None, &[(Some(5000), None), (Some(100), Some(100))], &[(1, 4890)], 0, Some(4990));
}

/// The same messages are late, and the watermark is the same, however they are cut into batches and however often
/// they begin again with the watermark of the log; also if what was read behind the log is read again.
#[test]
fn cuts_and_restarts_change_nothing() {
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let messages = messages(&mut random);
        let mut whole = PartitionWatermark::new(&SETTINGS, None);
        let expect = observe(&mut whole, &messages);
        let (mut late, mut ahead, mut log, mut position) = (Vec::new(), 0, None, 0);
        while position < messages.len() {
            // An interval, in batches, that is committed or thrown away.
            let mut watermark = PartitionWatermark::new(&SETTINGS, log);
            let (mut interval, mut end) = (Observed::default(), position);
            for _ in 0..random.random_range(1..4) {
                let next = (end + random.random_range(0..40)).min(messages.len());
                let observed = observe(&mut watermark, &messages[end..next]);
                interval
                    .late
                    .extend(observed.late.iter().map(|late| LateRow { row: late.row + end, ..*late }));
                interval.ahead += observed.ahead;
                end = next;
            }
            if random.random_bool(0.7) {
                late.append(&mut interval.late);
                (ahead, log, position) = (ahead + interval.ahead, watermark.micros(), end);
            }
        }
        assert_eq!((late, ahead, log), (expect.late, expect.ahead, whole.micros()), "seed {seed}");
    }
}

/// Disorder, gaps, nulls, devices that are ahead, and stretches without a null or a timestamp.
fn messages(random: &mut StdRng) -> Vec<Times> {
    let (mut now, mut messages) = (0, Vec::new());
    for _ in 0..random.random_range(1..6) {
        let (nulls, timestamps) = (random.random_bool(0.5), random.random_range(0..3));
        for _ in 0..random.random_range(0..80) {
            now += random.random_range(0..4);
            let skew = match random.random_range(0..20) {
                0 => random.random_range(900..5000),
                1..4 => -random.random_range(8..60),
                _ => -random.random_range(0..9),
            };
            let event_time = (!nulls || random.random_bool(0.9)).then_some(now + skew);
            let stamped = timestamps == 2 || (timestamps == 1 && random.random_bool(0.5));
            messages.push((event_time, stamped.then_some(now)));
        }
    }
    messages
}

#[test]
fn a_partition_is_idle_after_a_silence_and_says_so_once() {
    let (limit, start) = (Duration::from_secs(60), Instant::now());
    let after = |seconds| start + Duration::from_secs(seconds);
    let mut silence = Silence::new(limit, false);
    let check = |silence: &mut Silence, seconds, idle, news| {
        silence.lasts(after(seconds));
        assert_eq!((silence.is_idle(), silence.take_news()), (idle, news), "after {seconds} s");
    };
    check(&mut silence, 100, false, false);
    check(&mut silence, 159, false, false);
    check(&mut silence, 160, true, true);
    check(&mut silence, 300, true, false);
    silence.end();
    check(&mut silence, 301, false, false);
    check(&mut silence, 361, true, true);
    // The log knows it already.
    let mut silence = Silence::new(limit, true);
    check(&mut silence, 400, true, false);
    silence.end();
    assert!(!silence.is_idle());
}

/// Five messages, of which number 1 did not decode; numbers 1 and 3 are late.
fn decoded() -> (Decoded, [LateRow; 2]) {
    let rows = |offsets: &[i64]| {
        let offset: ArrayRef = Arc::new(Int64Array::from(offsets.to_vec()));
        let fields = vec![
            Field::new(columns::OFFSET, DataType::Int64, false),
            Field::new(columns::LATE, DataType::Boolean, false),
        ];
        let late = Arc::new(mask(offsets.len(), &[]));
        RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![offset, late]).unwrap()
    };
    let failures = vec![Failure { row: 1, reason: "no".to_owned(), problems: Vec::new() }];
    let late = [1, 3].map(|row| LateRow { row, by_us: 1 });
    (Decoded { raw: rows(&[0, 1, 2, 3, 4]), rows: rows(&[0, 2, 3, 4]), failures }, late)
}

#[test]
fn late_rows_are_flagged_in_both_batches() {
    let (mut decoded, late) = decoded();
    flag(&mut decoded, &late);
    let flags =
        |rows: &RecordBatch| rows.column(1).as_boolean().iter().map(Option::unwrap).collect::<Vec<_>>();
    assert_eq!(flags(&decoded.raw), [false, true, false, true, false]);
    assert_eq!(flags(&decoded.rows), [false, false, true, false]);
}

#[test]
fn late_rows_are_taken_out_of_those_that_decoded() {
    let (mut decoded, late) = decoded();
    take_out(&mut decoded, &late);
    let offsets = decoded.rows.column(0).as_primitive::<Int64Type>().values();
    assert_eq!(offsets.as_ref(), [0, 2, 4]);
    assert_eq!(decoded.raw.num_rows(), 5);
}
