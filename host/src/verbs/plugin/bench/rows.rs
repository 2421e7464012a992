//! Rows to measure a plugin on: those of its cases, or the last ones of a stream, made into full batches.

use std::sync::Arc;

use anyhow::Context as _;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use millstream_engine::{Engine, Plugin};
use millstream_model::columns;
use millstream_pipeline::config::Config;

use crate::args;
use crate::exit::Usage;
use crate::verbs::plugin::place::{self, Place};

/// Batches of a round at most: as many as are there, up to this.
const BATCHES_MAX: usize = 8;

/// Rows, and what the plugin is configured with for them.
pub(super) struct Rows {
    pub(super) place: Place,
    pub(super) batches: Vec<RecordBatch>,
}

/// The rows that the command line names.
pub(super) fn find(
    args: &args::Bench,
    config: Option<&Config>,
    engine: &Engine,
    plugin: &Plugin,
) -> anyhow::Result<Rows> {
    let (Some(stream), Some(config)) = (&args.stream, config) else {
        return Err(Usage("name a stream of the configuration by --stream".to_owned()).into());
    };
    let on_stream = place::on_stream(config, engine, plugin, stream)?;
    let batches = on_stream.last_rows(config, args.last)?;
    Ok(Rows { place: on_stream.place, batches })
}

/// Batches of `size` rows each: as many as the rows fill, and one of rows that are repeated if they fill none.
/// Offsets rise in each, as in batches of a topic.
pub(super) fn full_batches(batches: &[RecordBatch], size: usize) -> anyhow::Result<Vec<RecordBatch>> {
    let Some(schema) = batches.first().map(RecordBatch::schema) else {
        return Err(Usage("there are no rows to measure on".to_owned()).into());
    };
    let all = concat_batches(&schema, batches).context("cannot put the rows together")?;
    let rows = all.num_rows();
    if rows < size {
        let repeated = UInt32Array::from_iter_values((0..size).map(|row| (row % rows) as u32));
        return Ok(vec![numbered(&take_record_batch(&all, &repeated)?)?]);
    }
    let starts = (0..rows / size).take(BATCHES_MAX).map(|number| number * size);
    starts.map(|start| numbered(&all.slice(start, size))).collect()
}

/// The batch with offsets from 0.
fn numbered(batch: &RecordBatch) -> anyhow::Result<RecordBatch> {
    let schema = batch.schema();
    let offsets: ArrayRef = Arc::new(Int64Array::from_iter_values(0..batch.num_rows() as i64));
    let mut arrays = batch.columns().to_vec();
    arrays[schema.index_of(columns::OFFSET)?] = offsets;
    Ok(RecordBatch::try_new(schema, arrays)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray as _;
    use arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn few_rows_are_repeated_and_many_are_cut() {
        let batch = |values: &[i64]| {
            let column = |values: &[i64]| -> ArrayRef { Arc::new(Int64Array::from(values.to_vec())) };
            RecordBatch::try_from_iter([("n", column(values)), (columns::OFFSET, column(values))]).unwrap()
        };
        let check = |batches: &[RecordBatch], size: usize, expect: &[&[i64]]| {
            let full = full_batches(batches, size).unwrap();
            let column = |batch: &RecordBatch, number: usize| {
                batch.column(number).as_primitive::<Int64Type>().values().to_vec()
            };
            assert_eq!(full.iter().map(|batch| column(batch, 0)).collect::<Vec<_>>(), expect);
            let offsets: Vec<i64> = (0..size as i64).collect();
            assert!(full.iter().all(|batch| column(batch, 1) == offsets), "{full:?}");
        };
        check(&[batch(&[7, 8])], 5, &[&[7, 8, 7, 8, 7]]);
        check(&[batch(&[1, 2, 3]), batch(&[4, 5])], 2, &[&[1, 2], &[3, 4]]);
        assert!(full_batches(&[], 2).is_err());
    }
}
