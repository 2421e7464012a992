//! Reads every column and writes it back as it is.

use crate::millstream::plugin::batches::Batch;
use crate::millstream::plugin::types::{DataType, Field};

pub fn copy(batch: &Batch, fields: &[Field]) {
    for (column, field) in (0..).zip(fields) {
        match field.ty {
            DataType::Boolean => batch.write_bool(column, &batch.read_bool(column)),
            DataType::Int32 | DataType::Date => batch.write_int32(column, &batch.read_int32(column)),
            DataType::Int64 | DataType::Timestamp(_) => batch.write_int64(column, &batch.read_int64(column)),
            DataType::Float32 => batch.write_float32(column, &batch.read_float32(column)),
            DataType::Float64 => batch.write_float64(column, &batch.read_float64(column)),
            DataType::Utf8 | DataType::Binary => batch.write_bytes(column, &batch.read_bytes(column)),
            DataType::Float64List => batch.write_float64_list(column, &batch.read_float64_list(column)),
            DataType::Decimal(_) | DataType::Utf8List | DataType::Arrow(_) => {
                batch.write_raw(column, &batch.read_raw(column));
            }
        }
    }
}
