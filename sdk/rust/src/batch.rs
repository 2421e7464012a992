//! The batch under a plugin's hands, as the SDK sees it: columns go out by number as the buffers of the
//! ABI, and results come back the same way. One implementation is the host's, across the ABI; the other
//! is [`crate::testing`]'s, in memory.

use crate::bindings::millstream::plugin::{batches, types};
pub use types::{Bools, Bytes, Float32s, Float64Lists, Float64s, Int32s, Int64s};

/// Takes the columns that are written: of a batch, or of the rows of an output.
pub trait RawColumns {
    /// Writes a boolean column.
    fn write_bool(&self, column: u32, values: &Bools);
    /// Writes an int32 or date column.
    fn write_int32(&self, column: u32, values: &Int32s);
    /// Writes an int64 or timestamp column.
    fn write_int64(&self, column: u32, values: &Int64s);
    /// Writes a float32 column.
    fn write_float32(&self, column: u32, values: &Float32s);
    /// Writes a float64 column.
    fn write_float64(&self, column: u32, values: &Float64s);
    /// Writes a utf8 or binary column.
    fn write_bytes(&self, column: u32, values: &Bytes);
    /// Writes a column of lists of float64.
    fn write_float64_list(&self, column: u32, values: &Float64Lists);
}

/// Writes the columns of rows that are emitted.
pub type WriteColumns<'a> = Box<dyn FnOnce(&dyn RawColumns) + 'a>;

/// One batch. A column number is an index into the plan's reads or writes.
pub trait RawBatch: RawColumns {
    /// Number of rows.
    fn rows(&self) -> usize;
    /// A boolean column.
    fn read_bool(&self, column: u32) -> Bools;
    /// An int32 or date column.
    fn read_int32(&self, column: u32) -> Int32s;
    /// An int64 or timestamp column.
    fn read_int64(&self, column: u32) -> Int64s;
    /// A float32 column.
    fn read_float32(&self, column: u32) -> Float32s;
    /// A float64 column.
    fn read_float64(&self, column: u32) -> Float64s;
    /// A utf8 or binary column.
    fn read_bytes(&self, column: u32) -> Bytes;
    /// A column of lists of float64.
    fn read_float64_list(&self, column: u32) -> Float64Lists;
    /// Keeps the rows whose bit is set; not called, all stay.
    fn keep(&self, mask: &[u8]);
    /// Makes dead letters of `rows`, all for the same reason.
    fn reject(&self, rows: &[u32], reason: &str);
    /// Adds rows to output number `output`, one for each parent, with the columns that `write` writes.
    fn emit(&self, output: u32, parents: Vec<u32>, write: WriteColumns<'_>);
    /// The host's batch, for calls that only some plugins import.
    #[cfg(target_arch = "wasm32")]
    fn host(&self) -> &batches::Batch;
}

impl RawColumns for batches::Batch {
    fn write_bool(&self, column: u32, values: &Bools) {
        batches::Batch::write_bool(self, column, values);
    }
    fn write_int32(&self, column: u32, values: &Int32s) {
        batches::Batch::write_int32(self, column, values);
    }
    fn write_int64(&self, column: u32, values: &Int64s) {
        batches::Batch::write_int64(self, column, values);
    }
    fn write_float32(&self, column: u32, values: &Float32s) {
        batches::Batch::write_float32(self, column, values);
    }
    fn write_float64(&self, column: u32, values: &Float64s) {
        batches::Batch::write_float64(self, column, values);
    }
    fn write_bytes(&self, column: u32, values: &Bytes) {
        batches::Batch::write_bytes(self, column, values);
    }
    fn write_float64_list(&self, column: u32, values: &Float64Lists) {
        batches::Batch::write_float64_list(self, column, values);
    }
}

impl RawColumns for batches::Builder {
    fn write_bool(&self, column: u32, values: &Bools) {
        batches::Builder::write_bool(self, column, values);
    }
    fn write_int32(&self, column: u32, values: &Int32s) {
        batches::Builder::write_int32(self, column, values);
    }
    fn write_int64(&self, column: u32, values: &Int64s) {
        batches::Builder::write_int64(self, column, values);
    }
    fn write_float32(&self, column: u32, values: &Float32s) {
        batches::Builder::write_float32(self, column, values);
    }
    fn write_float64(&self, column: u32, values: &Float64s) {
        batches::Builder::write_float64(self, column, values);
    }
    fn write_bytes(&self, column: u32, values: &Bytes) {
        batches::Builder::write_bytes(self, column, values);
    }
    fn write_float64_list(&self, column: u32, values: &Float64Lists) {
        batches::Builder::write_float64_list(self, column, values);
    }
}

impl RawBatch for batches::Batch {
    fn rows(&self) -> usize {
        batches::Batch::rows(self) as usize
    }
    fn read_bool(&self, column: u32) -> Bools {
        batches::Batch::read_bool(self, column)
    }
    fn read_int32(&self, column: u32) -> Int32s {
        batches::Batch::read_int32(self, column)
    }
    fn read_int64(&self, column: u32) -> Int64s {
        batches::Batch::read_int64(self, column)
    }
    fn read_float32(&self, column: u32) -> Float32s {
        batches::Batch::read_float32(self, column)
    }
    fn read_float64(&self, column: u32) -> Float64s {
        batches::Batch::read_float64(self, column)
    }
    fn read_bytes(&self, column: u32) -> Bytes {
        batches::Batch::read_bytes(self, column)
    }
    fn read_float64_list(&self, column: u32) -> Float64Lists {
        batches::Batch::read_float64_list(self, column)
    }
    fn keep(&self, mask: &[u8]) {
        batches::Batch::keep(self, mask);
    }
    fn reject(&self, rows: &[u32], reason: &str) {
        batches::Batch::reject(self, rows, reason);
    }
    fn emit(&self, output: u32, parents: Vec<u32>, write: WriteColumns<'_>) {
        let rows = u32::try_from(parents.len()).expect("a batch of 4 G rows does not fit into memory");
        let builder = batches::Builder::new(output, rows);
        builder.gather(self, &parents);
        write(&builder);
        batches::emit(builder);
    }
    #[cfg(target_arch = "wasm32")]
    fn host(&self) -> &batches::Batch {
        self
    }
}
