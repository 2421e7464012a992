//! Output that the contract does not allow.

use crate::millstream::plugin::batches::{Batch, Builder, emit};
use crate::millstream::plugin::types::{Bytes, Float64s, Int64s};

/// Breaks the rule that `mode` names.
pub fn commit(mode: &str, batch: &Batch, numbers: &[i64]) {
    let rows = numbers.len();
    let all = vec![0xff; rows.div_ceil(8)];
    let column = || Int64s { values: numbers.to_vec(), valid: None };
    let text = |offsets: Vec<u32>, data: Vec<u8>| Bytes { offsets, data, valid: None };
    match mode {
        "keep-twice" => (0..2).for_each(|_| batch.keep(&all)),
        "keep-short" => batch.keep(&[]),
        "write-twice" => (0..2).for_each(|_| batch.write_int64(0, &column())),
        "wrong-number" => batch.write_int64(7, &column()),
        "read-wrong-number" => drop(batch.read_int64(7)),
        "wrong-type" => batch.write_float64(0, &Float64s { values: vec![0.0; rows], valid: None }),
        "read-wrong-type" => drop(batch.read_float64(0)),
        "short" => batch.write_int64(0, &Int64s { values: Vec::new(), valid: None }),
        "short-validity" => {
            batch.write_int64(0, &Int64s { values: numbers.to_vec(), valid: Some(Vec::new()) })
        }
        "null" => {
            batch.write_int64(0, &Int64s { values: numbers.to_vec(), valid: Some(vec![0; rows.div_ceil(8)]) })
        }
        "not-utf8" => batch.write_bytes(0, &text((0..=rows as u32).collect(), vec![0xff; rows])),
        "falling-offsets" => batch.write_bytes(0, &text((0..=rows as u32).rev().collect(), vec![b'x'; rows])),
        "reject-no-row" => batch.reject(&[rows as u32], "beyond"),
        "no-gather" => emit(Builder::new(0, 1)),
        "no-output" => drop(Builder::new(9, 1)),
        "gather-twice" => {
            let builder = Builder::new(0, 1);
            (0..2).for_each(|_| builder.gather(batch, &[0]));
        }
        "gather-short" => Builder::new(0, 2).gather(batch, &[0]),
        "gather-no-row" => Builder::new(0, 1).gather(batch, &[rows as u32]),
        "emit-wrong-number" => Builder::new(0, rows as u32).write_int64(7, &column()),
        "emit-wrong-type" => {
            Builder::new(0, 1).write_float64(0, &Float64s { values: vec![0.0], valid: None });
        }
        "emit-short" => Builder::new(0, 9).write_int64(0, &column()),
        other => unreachable!("no mode {other}"),
    }
}
