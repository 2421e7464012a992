//! Staged effects become rows: the columns of the step's output are put together, rows that were dropped
//! or rejected are filtered out, and emitted rows are placed behind their parents.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, RecordBatch, UInt32Array, new_null_array,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{FilterBuilder, concat_batches, interleave_record_batch, take_record_batch};
use arrow::datatypes::{Int64Type, SchemaRef};
use millstream_model::Offset;

use crate::calls::{Emitted, Staged};
use crate::output::{Cause, RejectedRow};
use crate::plan::{Origin, StepPlan, Target};

/// What one successful call made of its batch.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) passed: RecordBatch,
    pub(crate) rejected: Vec<RejectedRow>,
    pub(crate) dropped: Vec<Offset>,
    pub(crate) emitted: Vec<(usize, RecordBatch)>,
}

/// Applies what a call staged. The error, to follow the plugin's name, is a breach of the plan that only
/// shows in the result.
pub(crate) fn apply(plan: &StepPlan, batch: &RecordBatch, staged: Staged) -> Result<Part, String> {
    let Staged { writes, keep, rejects, emitted, .. } = staged;
    let offsets = batch.column(plan.offset_column).as_primitive::<Int64Type>();
    let reasons = first_reasons(&rejects, batch.num_rows());
    let kept = kept_rows(keep, &reasons);
    let (continued, routed) = split(plan, emitted);
    let mut dropped = Vec::new();
    let mut rejected = Vec::new();
    if let Some(kept) = &kept {
        let parents = parent_rows(&continued, batch.num_rows());
        for row in (0..batch.num_rows()).filter(|row| !kept.value(*row)) {
            match reasons.get(row).and_then(Option::as_ref) {
                Some(reason) => rejected.push(RejectedRow {
                    offset: offsets.value(row),
                    reason: Arc::clone(reason),
                    cause: Cause::Plugin,
                }),
                None if parents.as_ref().is_some_and(|parents| parents.value(row)) => {}
                None => dropped.push(offsets.value(row)),
            }
        }
    }
    let own = own_rows(plan, batch, &writes, kept.as_ref())?;
    let passed = match continued.is_empty() {
        true => own,
        false => interleave(&own, kept.as_ref(), batch.num_rows(), &continued)?,
    };
    Ok(Part { passed, rejected, dropped, emitted: routed })
}

/// For each row the first reason to reject it; empty if none is rejected.
fn first_reasons(rejects: &[(Vec<u32>, Arc<str>)], rows: usize) -> Vec<Option<Arc<str>>> {
    if rejects.iter().all(|(rejected, _)| rejected.is_empty()) {
        return Vec::new();
    }
    let mut reasons: Vec<Option<Arc<str>>> = vec![None; rows];
    for (rejected, reason) in rejects {
        for row in rejected {
            reasons[*row as usize].get_or_insert_with(|| Arc::clone(reason));
        }
    }
    reasons
}

/// The rows that stay; none if all do.
fn kept_rows(keep: Option<BooleanBuffer>, reasons: &[Option<Arc<str>>]) -> Option<BooleanBuffer> {
    let accepted =
        (!reasons.is_empty()).then(|| reasons.iter().map(Option::is_none).collect::<BooleanBuffer>());
    let kept = match (keep, accepted) {
        (Some(keep), Some(accepted)) => &keep & &accepted,
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => return None,
    };
    (kept.count_set_bits() < kept.len()).then_some(kept)
}

/// Emitted rows that continue in the stream, and one batch for each other output, in the order of the parents:
/// how a batch was cut must not show.
fn split(plan: &StepPlan, emitted: Vec<Emitted>) -> (Vec<Emitted>, Vec<(usize, RecordBatch)>) {
    let mut continued = Vec::new();
    let mut routed: Vec<Vec<Emitted>> = plan.routed.iter().map(|_| Vec::new()).collect();
    for emitted in emitted.into_iter().filter(|emitted| emitted.rows.num_rows() > 0) {
        match plan.emits[emitted.output].target {
            Target::Stream => continued.push(emitted),
            Target::Routed(number) => routed[number].push(emitted),
        }
    }
    let ordered = |(number, emitted): (usize, Vec<Emitted>)| {
        (!emitted.is_empty()).then(|| (number, by_parent(&plan.routed[number].schema, &emitted).0))
    };
    (continued, routed.into_iter().enumerate().filter_map(ordered).collect())
}

/// Emitted rows of one schema by their parents, those of one parent as they were emitted; and the parents.
pub(crate) fn by_parent(schema: &SchemaRef, emitted: &[Emitted]) -> (RecordBatch, Vec<u32>) {
    let rows: Vec<RecordBatch> = emitted.iter().map(|emitted| emitted.rows.clone()).collect();
    let rows = concat(schema, &rows);
    let parents: Vec<u32> = emitted.iter().flat_map(|emitted| &emitted.parents).copied().collect();
    if parents.is_sorted() {
        return (rows, parents);
    }
    let mut order: Vec<u32> = (0..parents.len() as u32).collect();
    order.sort_by_key(|row| parents[*row as usize]);
    let ordered = take_record_batch(&rows, &UInt32Array::from(order.clone()));
    let ordered = ordered.expect("an order of the rows names each of them once");
    (ordered, order.iter().map(|row| parents[*row as usize]).collect())
}

/// One batch for each output that has rows.
pub(crate) fn merge_routed(plan: &StepPlan, routed: Vec<Vec<RecordBatch>>) -> Vec<(usize, RecordBatch)> {
    let merge = |(number, batches): (usize, Vec<RecordBatch>)| {
        (!batches.is_empty()).then(|| (number, concat(&plan.routed[number].schema, &batches)))
    };
    routed.into_iter().enumerate().filter_map(merge).collect()
}

/// Batches of one schema, one behind the other.
pub(crate) fn concat(schema: &SchemaRef, batches: &[RecordBatch]) -> RecordBatch {
    match batches {
        [only] => only.clone(),
        _ => concat_batches(schema, batches).expect("all parts were made with this schema"),
    }
}

fn parent_rows(continued: &[Emitted], rows: usize) -> Option<BooleanBuffer> {
    if continued.is_empty() {
        return None;
    }
    let mut parents = BooleanBufferBuilder::new(rows);
    parents.append_n(rows, false);
    for parent in continued.iter().flat_map(|emitted| &emitted.parents) {
        parents.set_bit(*parent as usize, true);
    }
    Some(parents.finish())
}

/// The input's rows behind the step.
fn own_rows(
    plan: &StepPlan,
    batch: &RecordBatch,
    writes: &[Option<ArrayRef>],
    kept: Option<&BooleanBuffer>,
) -> Result<RecordBatch, String> {
    let filter =
        kept.map(|kept| FilterBuilder::new(&BooleanArray::new(kept.clone(), None)).optimize().build());
    let mut columns = Vec::with_capacity(plan.layout.len());
    for (origin, field) in plan.layout.iter().zip(plan.output.fields()) {
        let array = match origin {
            Origin::Input(column) => Arc::clone(batch.column(*column)),
            Origin::Write(number) => written(plan, batch, writes, *number),
        };
        let array = match &filter {
            Some(filter) => filter.filter(&array).map_err(|error| error.to_string())?,
            None => array,
        };
        if !field.is_nullable() && array.null_count() > 0 {
            return Err(format!(
                "left null in column `{}`, which its plan declares as not nullable",
                field.name()
            ));
        }
        columns.push(array);
    }
    RecordBatch::try_new(Arc::clone(&plan.output), columns).map_err(|error| error.to_string())
}

/// The column as it was written, else as it was, else null.
fn written(plan: &StepPlan, batch: &RecordBatch, writes: &[Option<ArrayRef>], number: usize) -> ArrayRef {
    let write = &plan.writes[number];
    match (&writes[number], write.fallback) {
        (Some(array), _) => Arc::clone(array),
        (None, Some(column)) => Arc::clone(batch.column(column)),
        (None, None) => new_null_array(write.field.data_type(), batch.num_rows()),
    }
}

/// Own and emitted rows in the order of their parents; the own row first, then emits in their order.
fn interleave(
    own: &RecordBatch,
    kept: Option<&BooleanBuffer>,
    rows: usize,
    continued: &[Emitted],
) -> Result<RecordBatch, String> {
    let mut order: Vec<(u32, (usize, usize))> = (0..rows)
        .filter(|row| kept.is_none_or(|kept| kept.value(*row)))
        .enumerate()
        .map(|(position, row)| (row as u32, (0, position)))
        .collect();
    for (batch, emitted) in continued.iter().enumerate() {
        let placed = emitted.parents.iter().enumerate();
        order.extend(placed.map(|(position, parent)| (*parent, (batch + 1, position))));
    }
    order.sort_by_key(|(parent, _)| *parent);
    let indices: Vec<(usize, usize)> = order.into_iter().map(|(_, place)| place).collect();
    let batches: Vec<&RecordBatch> =
        std::iter::once(own).chain(continued.iter().map(|emitted| &emitted.rows)).collect();
    interleave_record_batch(&batches, &indices).map_err(|error| error.to_string())
}
