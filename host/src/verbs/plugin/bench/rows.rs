//! Rows to measure a plugin on: those of its cases, or the last ones of a stream, made into full batches.

use std::path::Path;
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
    (plugin, file): (&Plugin, &Path),
) -> anyhow::Result<Rows> {
    if let (Some(stream), Some(config)) = (&args.stream, config) {
        let on_stream = place::on_stream(config, engine, (plugin, file), stream)?;
        let batches = on_stream.last_rows(config, args.last)?;
        return Ok(Rows { place: on_stream.place, batches });
    }
    let cases = args.plugin.cases.clone().unwrap_or_else(|| args.plugin.folder.join("cases"));
    of_cases(place::of_cases(engine, file, &cases)?, plugin).with_context(|| {
        let cases = cases.display();
        format!("none of the cases in {cases} can be measured; write one that passes, or name a stream by --stream")
    })
}

/// The rows of those cases that have the same columns and configuration, of several such groups the one with most
/// rows. Cases that the plugin cannot be configured for, since they expect that, are left out.
fn of_cases(cases: Vec<(Place, RecordBatch)>, plugin: &Plugin) -> Option<Rows> {
    let all = cases.len();
    let mut groups: Vec<Rows> = Vec::new();
    for (place, rows) in cases {
        let fits = plugin.configure(&place.config, &place.input, place.limits.clone(), &place.grants).is_ok();
        let is_alike = |known: &&mut Rows| {
            known.place.config == place.config && known.place.input.schema == place.input.schema
        };
        match groups.iter_mut().find(is_alike) {
            _ if !fits || rows.num_rows() == 0 => {}
            Some(group) => group.batches.push(rows),
            None => groups.push(Rows { place, batches: vec![rows] }),
        }
    }
    let rows = |group: &Rows| group.batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    let mut most = groups.into_iter().max_by_key(rows)?;
    most.place.what = match (most.batches.len(), all) {
        (1, 1) => "1 case".to_owned(),
        (used, all) if used == all => format!("{all} cases"),
        (used, all) => format!("{used} of {all} cases, which have one configuration"),
    };
    Some(most)
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
