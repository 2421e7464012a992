//! The builder resource: rows that a plugin originates. Each continues a row of the batch in hand, from
//! which columns that were not written are taken, or comes from one of the timers in hand.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::{DataType, FieldRef};
use wasmtime::Result;
use wasmtime::component::Resource;

use super::batch::checked;
use super::{Batch, Breach, Calls, InHand, Work};
use crate::bindings::batches::HostBuilder;
use crate::bindings::types::{Bools, Bytes, Float32s, Float64Lists, Float64s, Int32s, Int64s, Raw};
use crate::column::Written;
use crate::plan::{EmitColumn, EmitPlan, StepPlan};

/// A builder, by its number in the call.
#[derive(Debug)]
pub struct Builder;

/// What a builder holds so far.
#[derive(Debug)]
pub(super) struct Rows {
    output: usize,
    rows: usize,
    written: Vec<Option<ArrayRef>>,
    parents: Option<Vec<u32>>,
}

/// Rows that were emitted.
#[derive(Debug)]
pub(crate) struct Emitted {
    /// Number among the plan's outputs.
    pub(crate) output: usize,
    /// With the schema of the output; rows that timers emitted lack the system columns.
    pub(crate) rows: RecordBatch,
    /// The row of the input that each continues, or the timer that it comes from.
    pub(crate) parents: Vec<u32>,
}

fn stale() -> wasmtime::Error {
    Breach::contract("used a builder of an earlier call".to_owned())
}

impl Calls {
    fn write_emitted(&mut self, builder: &Resource<Builder>, column: u32, written: Written) -> Result<()> {
        self.count()?;
        self.charge(written.size())?;
        let plan = Arc::clone(&self.in_hand()?.plan);
        let rows = self.builders.get_mut(&builder.rep()).ok_or_else(stale)?;
        let emit = &plan.emits[rows.output];
        let Some(field) = emit.fields.get(column as usize) else {
            let (function, count, output) = (written.function(), emit.fields.len(), &emit.name);
            return Err(Breach::contract(format!(
                "called {function} on column {column} of output `{output}`, which has {count}"
            )));
        };
        let array = checked(written, field, rows.rows)?;
        match rows.written[column as usize].replace(array) {
            None => Ok(()),
            Some(_) => Err(Breach::contract(format!("wrote column `{}` of a builder twice", field.name()))),
        }
    }

    pub(super) fn emit_rows(&mut self, builder: &Resource<Builder>) -> Result<()> {
        self.count()?;
        let rows = self.builders.remove(&builder.rep()).ok_or_else(stale)?;
        let InHand { plan, work } = self.in_hand()?;
        let (plan, batch) = match work {
            Work::Rows(batch) => (Arc::clone(plan), Some(batch.clone())),
            Work::Timers(_) => (Arc::clone(plan), None),
        };
        let emit = &plan.emits[rows.output];
        let Some(parents) = rows.parents else {
            let function = if batch.is_some() { "gather" } else { "attribute" };
            return Err(Breach::contract(format!(
                "emitted rows of output `{}` without parents: call {function} before emit",
                emit.name
            )));
        };
        let size = gathered_size(emit, &rows.written, batch.as_ref(), &parents);
        self.charge(size)?;
        let emitted = emitted_rows(emit, &rows.written, batch.as_ref(), &parents)?;
        self.staged.emitted.push(Emitted { output: rows.output, rows: emitted, parents });
        Ok(())
    }

    /// Says which timers the rows of a builder come from.
    pub(super) fn attribute_rows(&mut self, builder: &Resource<Builder>, fired: Vec<u32>) -> Result<()> {
        self.count()?;
        match self.in_hand()?.work {
            Work::Timers(_) => self.set_parents(builder, fired),
            Work::Rows(_) => Err(Breach::contract("called attribute outside a call to fire".to_owned())),
        }
    }

    fn set_parents(&mut self, builder: &Resource<Builder>, parents: Vec<u32>) -> Result<()> {
        self.charge(parents.len() * size_of::<u32>())?;
        let (function, did, whole, count) = match &self.in_hand()?.work {
            Work::Rows(batch) => ("gather", "gathered row", "rows", batch.num_rows()),
            Work::Timers(count) => ("attribute", "attributed a row to timer", "timers", *count),
        };
        let rows = self.builders.get_mut(&builder.rep()).ok_or_else(stale)?;
        if parents.len() != rows.rows {
            let (given, rows) = (parents.len(), rows.rows);
            return Err(Breach::contract(format!("gathered {given} parents for a builder of {rows} rows")));
        }
        if let Some(parent) = parents.iter().find(|parent| **parent as usize >= count) {
            return Err(Breach::contract(format!("{did} {parent} of a batch of {count} {whole}")));
        }
        match rows.parents.replace(parents) {
            None => Ok(()),
            Some(_) => Err(Breach::contract(format!("called {function} twice on one builder"))),
        }
    }

    fn open_builder(&mut self, plan: &StepPlan, output: u32, rows: u32) -> Result<u32> {
        let count = plan.emits.len();
        let Some(emit) = plan.emits.get(output as usize) else {
            return Err(Breach::contract(format!(
                "made a builder for output {output}; its plan has {count}"
            )));
        };
        self.charge(size_of::<Rows>() + emit.fields.len() * size_of::<Option<ArrayRef>>())?;
        let number = self.next_builder;
        self.next_builder = self.next_builder.wrapping_add(1) & (u32::MAX >> 1);
        let written = vec![None; emit.fields.len()];
        let builder = Rows { output: output as usize, rows: rows as usize, written, parents: None };
        self.builders.insert(number, builder);
        Ok(number)
    }
}

/// The rows of a builder: columns that were not written are those of the parents in `batch`, or null.
fn emitted_rows(
    emit: &EmitPlan,
    written: &[Option<ArrayRef>],
    batch: Option<&RecordBatch>,
    parents: &[u32],
) -> Result<RecordBatch> {
    let (schema, columns) = emit.shape(batch.is_some());
    let options = RecordBatchOptions::new().with_row_count(Some(parents.len()));
    let parents = UInt32Array::from(parents.to_vec());
    let column = |(column, field): (&EmitColumn, &FieldRef)| {
        if let Some(array) = column.written.and_then(|number| written[number].as_ref()) {
            return Ok(Arc::clone(array));
        }
        if let Some((batch, inherited)) = batch.zip(column.inherited) {
            return take(batch.column(inherited), &parents, None)
                .map_err(|error| Breach::contract(format!("gathered column `{}`: {error}", field.name())));
        }
        match field.is_nullable() {
            true => Ok(new_null_array(field.data_type(), parents.len())),
            false => Err(Breach::contract(format!(
                "emitted rows of output `{}` without column `{}`, which is not nullable",
                emit.name,
                field.name()
            ))),
        }
    };
    let columns = columns.iter().zip(schema.fields()).map(column).collect::<Result<_>>()?;
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| Breach::contract(format!("emitted rows of output `{}`: {error}", emit.name)))
}

/// Bytes that the columns the plugin did not write will take.
fn gathered_size(
    emit: &EmitPlan,
    written: &[Option<ArrayRef>],
    batch: Option<&RecordBatch>,
    parents: &[u32],
) -> usize {
    let size = |column: &EmitColumn| match (column.written, batch.zip(column.inherited)) {
        (Some(number), _) if written[number].is_some() => 0,
        (_, Some((batch, inherited))) => size_of_rows(batch.column(inherited), parents),
        _ => parents.len() * size_of::<u64>(),
    };
    emit.shape(batch.is_some()).1.iter().map(size).fold(0, usize::saturating_add)
}

fn size_of_rows(array: &ArrayRef, rows: &[u32]) -> usize {
    if let Some(width) = array.data_type().primitive_width() {
        return rows.len().saturating_mul(width);
    }
    let size_of_row = |row: &u32| match array.data_type() {
        DataType::Boolean | DataType::Null => 1,
        _ => array.slice(*row as usize, 1).to_data().get_slice_memory_size().unwrap_or(usize::MAX),
    };
    rows.iter().map(size_of_row).fold(0, usize::saturating_add)
}

impl HostBuilder for Calls {
    fn new(&mut self, output: u32, rows: u32) -> Result<Resource<Builder>> {
        self.count()?;
        let plan = Arc::clone(&self.in_hand()?.plan);
        Ok(Resource::new_own(self.open_builder(&plan, output, rows)?))
    }

    fn gather(&mut self, builder: Resource<Builder>, _: Resource<Batch>, parents: Vec<u32>) -> Result<()> {
        self.count()?;
        match self.in_hand()?.work {
            Work::Rows(_) => self.set_parents(&builder, parents),
            Work::Timers(_) => Err(Breach::contract("called gather in a call to fire".to_owned())),
        }
    }

    fn write_bool(&mut self, builder: Resource<Builder>, col: u32, v: Bools) -> Result<()> {
        self.write_emitted(&builder, col, Written::Bools(v))
    }

    fn write_int32(&mut self, builder: Resource<Builder>, col: u32, v: Int32s) -> Result<()> {
        self.write_emitted(&builder, col, Written::Int32s(v))
    }

    fn write_int64(&mut self, builder: Resource<Builder>, col: u32, v: Int64s) -> Result<()> {
        self.write_emitted(&builder, col, Written::Int64s(v))
    }

    fn write_float32(&mut self, builder: Resource<Builder>, col: u32, v: Float32s) -> Result<()> {
        self.write_emitted(&builder, col, Written::Float32s(v))
    }

    fn write_float64(&mut self, builder: Resource<Builder>, col: u32, v: Float64s) -> Result<()> {
        self.write_emitted(&builder, col, Written::Float64s(v))
    }

    fn write_bytes(&mut self, builder: Resource<Builder>, col: u32, v: Bytes) -> Result<()> {
        self.write_emitted(&builder, col, Written::Bytes(v))
    }

    fn write_float64_list(&mut self, builder: Resource<Builder>, col: u32, v: Float64Lists) -> Result<()> {
        self.write_emitted(&builder, col, Written::Float64Lists(v))
    }

    fn write_raw(&mut self, builder: Resource<Builder>, col: u32, v: Raw) -> Result<()> {
        self.write_emitted(&builder, col, Written::Raw(v))
    }

    fn drop(&mut self, builder: Resource<Builder>) -> Result<()> {
        self.builders.remove(&builder.rep());
        Ok(())
    }
}
