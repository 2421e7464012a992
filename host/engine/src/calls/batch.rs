//! The batch resource: typed reads of the declared columns, staged writes, keep and reject.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{BooleanBuffer, Buffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::error::ArrowError;
use wasmtime::Result;
use wasmtime::component::Resource;

use super::{Breach, Calls, bounded};
use crate::bindings::batches::{Host, HostBatch};
use crate::bindings::types::{Bools, Bytes, Float32s, Float64Lists, Float64s, Int32s, Int64s, Raw};
use crate::column::{self, Written};
use crate::plan::Read;
use crate::types::{display, to_wit};

/// The batch in hand. There is one at a time, so it has no number.
#[derive(Debug)]
pub struct Batch;

impl Calls {
    fn read<T>(&mut self, column: u32, function: &str, convert: fn(&dyn Array) -> Option<T>) -> Result<T> {
        self.count()?;
        let (plan, batch) = self.batch_in_hand()?;
        let Some(read) = plan.reads.get(column as usize) else {
            let count = plan.reads.len();
            return Err(Breach::contract(format!(
                "called {function} on column {column}; its plan reads {count}"
            )));
        };
        let array = batch.column(read.column);
        let cast = if read.cast {
            Some(cast(array, read).map_err(|error| cast_failed(read, &error))?)
        } else {
            None
        };
        convert(cast.as_ref().unwrap_or(array)).ok_or_else(|| {
            let ty = display(&to_wit(&read.ty));
            Breach::contract(format!(
                "called {function} on column `{}`, which its plan reads as {ty}",
                read.name
            ))
        })
    }

    fn write(&mut self, column: u32, written: Written) -> Result<()> {
        self.count()?;
        self.charge(written.size())?;
        let (plan, batch) = self.batch_in_hand()?;
        let rows = batch.num_rows();
        let Some(write) = plan.writes.get(column as usize) else {
            let (function, count) = (written.function(), plan.writes.len());
            return Err(Breach::contract(format!(
                "called {function} on column {column}; its plan writes {count}"
            )));
        };
        let array = checked(written, &write.field, rows)?;
        self.stage_write(column as usize, array)
    }

    /// Stages the column that the plan writes by this number.
    pub(super) fn stage_write(&mut self, number: usize, array: ArrayRef) -> Result<()> {
        if self.staged.writes[number].replace(array).is_none() {
            return Ok(());
        }
        let name = self.in_hand()?.plan.writes[number].field.name();
        Err(Breach::contract(format!("wrote column `{name}` twice in one call")))
    }

    fn refuse_if_row_preserving(&mut self, function: &str) -> Result<()> {
        self.count()?;
        match self.batch_in_hand()?.0.declared.row_preserving {
            true => Err(Breach::contract(format!("called {function}, but its plan is row-preserving"))),
            false => Ok(()),
        }
    }
}

/// The array that a plugin wrote, or the trap that names the column.
pub(super) fn checked(written: Written, field: &arrow::datatypes::Field, rows: usize) -> Result<ArrayRef> {
    let (name, function) = (field.name(), written.function());
    if !written.fits(field.data_type()) {
        let ty = display(&to_wit(field.data_type()));
        return Err(Breach::contract(format!(
            "called {function} on column `{name}`, which its plan writes as {ty}"
        )));
    }
    written
        .build(field.data_type(), rows)
        .map_err(|what| Breach::contract(format!("wrote to column `{name}` {what}")))
}

fn cast_failed(read: &Read, error: &ArrowError) -> wasmtime::Error {
    let ty = display(&to_wit(&read.ty));
    Breach::contract(format!("reads column `{}` as {ty}, which a value does not become: {error}", read.name))
}

/// Casts that the plan check allowed. A value out of range is an error, never null.
fn cast(array: &ArrayRef, read: &Read) -> Result<ArrayRef, ArrowError> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let array = match (array.data_type(), &read.ty) {
        (DataType::Timestamp(unit, Some(_)), DataType::Utf8) => &with_zero_offset(array, *unit),
        _ => array,
    };
    cast_with_options(array, &read.ty, &strict)
}

/// The same instants in a zone that Arrow can print without a time zone database: it becomes `Z`.
fn with_zero_offset(array: &ArrayRef, unit: TimeUnit) -> ArrayRef {
    macro_rules! zoned {
        ($ty:ty) => {
            Arc::new(array.as_primitive::<$ty>().clone().with_timezone("+00:00"))
        };
    }
    match unit {
        TimeUnit::Second => zoned!(TimestampSecondType),
        TimeUnit::Millisecond => zoned!(TimestampMillisecondType),
        TimeUnit::Microsecond => zoned!(TimestampMicrosecondType),
        TimeUnit::Nanosecond => zoned!(TimestampNanosecondType),
    }
}

impl Host for Calls {
    fn emit(&mut self, rows: Resource<super::Builder>) -> Result<()> {
        self.emit_rows(&rows)
    }
}

impl HostBatch for Calls {
    fn rows(&mut self, _: Resource<Batch>) -> Result<u32> {
        self.count()?;
        Ok(self.batch_in_hand()?.1.num_rows() as u32)
    }

    fn read_bool(&mut self, _: Resource<Batch>, col: u32) -> Result<Bools> {
        self.read(col, "read-bool", column::bools)
    }

    fn read_int32(&mut self, _: Resource<Batch>, col: u32) -> Result<Int32s> {
        self.read(col, "read-int32", column::int32s)
    }

    fn read_int64(&mut self, _: Resource<Batch>, col: u32) -> Result<Int64s> {
        self.read(col, "read-int64", column::int64s)
    }

    fn read_float32(&mut self, _: Resource<Batch>, col: u32) -> Result<Float32s> {
        self.read(col, "read-float32", column::float32s)
    }

    fn read_float64(&mut self, _: Resource<Batch>, col: u32) -> Result<Float64s> {
        self.read(col, "read-float64", column::float64s)
    }

    fn read_bytes(&mut self, _: Resource<Batch>, col: u32) -> Result<Bytes> {
        self.read(col, "read-bytes", column::bytes)
    }

    fn read_float64_list(&mut self, _: Resource<Batch>, col: u32) -> Result<Float64Lists> {
        self.read(col, "read-float64-list", column::float64_lists)
    }

    fn read_raw(&mut self, _: Resource<Batch>, col: u32) -> Result<Raw> {
        self.read(col, "read-raw", column::raw)
    }

    fn write_bool(&mut self, _: Resource<Batch>, col: u32, v: Bools) -> Result<()> {
        self.write(col, Written::Bools(v))
    }

    fn write_int32(&mut self, _: Resource<Batch>, col: u32, v: Int32s) -> Result<()> {
        self.write(col, Written::Int32s(v))
    }

    fn write_int64(&mut self, _: Resource<Batch>, col: u32, v: Int64s) -> Result<()> {
        self.write(col, Written::Int64s(v))
    }

    fn write_float32(&mut self, _: Resource<Batch>, col: u32, v: Float32s) -> Result<()> {
        self.write(col, Written::Float32s(v))
    }

    fn write_float64(&mut self, _: Resource<Batch>, col: u32, v: Float64s) -> Result<()> {
        self.write(col, Written::Float64s(v))
    }

    fn write_bytes(&mut self, _: Resource<Batch>, col: u32, v: Bytes) -> Result<()> {
        self.write(col, Written::Bytes(v))
    }

    fn write_float64_list(&mut self, _: Resource<Batch>, col: u32, v: Float64Lists) -> Result<()> {
        self.write(col, Written::Float64Lists(v))
    }

    fn write_raw(&mut self, _: Resource<Batch>, col: u32, v: Raw) -> Result<()> {
        self.write(col, Written::Raw(v))
    }

    fn keep(&mut self, _: Resource<Batch>, mask: Vec<u8>) -> Result<()> {
        self.refuse_if_row_preserving("keep")?;
        let rows = self.batch_in_hand()?.1.num_rows();
        column::check_bitmap("rows to keep", &mask, rows)
            .map_err(|what| Breach::contract(format!("called keep with {what}")))?;
        self.charge(mask.len())?;
        let keep = BooleanBuffer::new(Buffer::from_vec(mask), 0, rows);
        match self.staged.keep.replace(keep) {
            None => Ok(()),
            Some(_) => Err(Breach::contract("called keep twice in one call".to_owned())),
        }
    }

    fn reject(&mut self, _: Resource<Batch>, rows: Vec<u32>, reason: String) -> Result<()> {
        self.refuse_if_row_preserving("reject")?;
        let count = self.batch_in_hand()?.1.num_rows();
        if let Some(row) = rows.iter().find(|row| **row as usize >= count) {
            return Err(Breach::contract(format!("rejected row {row} of a batch of {count} rows")));
        }
        let reason: Arc<str> = Arc::from(bounded(&reason));
        self.charge(rows.len() * size_of::<u32>() + reason.len() + size_of::<(Vec<u32>, Arc<str>)>())?;
        self.staged.rejects.push((rows, reason));
        Ok(())
    }

    fn drop(&mut self, _: Resource<Batch>) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::TimestampMicrosecondArray;

    use super::*;

    #[test]
    fn times_are_read_as_iso_8601_text() {
        let check = |array: TimestampMicrosecondArray, expected: &str| {
            let read = Read { column: 0, name: "t".to_owned(), ty: DataType::Utf8, cast: true };
            let array: ArrayRef = Arc::new(array);
            assert_eq!(cast(&array, &read).unwrap().as_string::<i32>().value(0), expected);
        };
        let time = TimestampMicrosecondArray::from(vec![1_767_254_400_123_456]);
        check(time.clone().with_timezone("UTC"), "2026-01-01T08:00:00.123456Z");
        check(time, "2026-01-01T08:00:00.123456");
    }

    #[test]
    fn a_time_that_the_finer_unit_cannot_hold_is_an_error() {
        let ty = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let read = Read { column: 0, name: "t".to_owned(), ty, cast: true };
        let array: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![i64::MAX]));
        assert!(cast(&array, &read).is_err());
    }
}
