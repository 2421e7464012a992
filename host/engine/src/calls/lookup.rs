//! Lookup tables of the plan: rows by key as JSON, or joined into the batch in hand. A table's rows are read
//! by column, so what a plugin did not name does not reach it.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use millstream_model::schema::type_name;
use wasmtime::Result;
use wasmtime::component::Resource;

use super::{Batch, Breach, Calls};
use crate::bindings::lookup::{Host, HostTable};
use crate::bindings::types::Bytes;
use crate::column::{bits, items, pack};
use crate::lookup::{LookUpError, key_bytes};
use crate::plan::TablePlan;

/// A lookup table, by its number among the plan's.
#[derive(Debug)]
pub struct Table;

impl Calls {
    fn table(&self, table: &Resource<Table>) -> Result<&TablePlan> {
        let unknown = || Breach::contract("used a lookup table of another plan".to_owned());
        self.in_hand()?.plan.tables.get(table.rep() as usize).ok_or_else(unknown)
    }

    /// Rows of a table, of no more bytes than may still be counted against the output cap.
    fn look_up(
        &self,
        plan: &TablePlan,
        keys: &[Option<&[u8]>],
        columns: &[usize],
    ) -> Result<(Vec<bool>, Vec<ArrayRef>)> {
        plan.table.look_up(keys, columns, self.room()).map_err(|error| match error {
            LookUpError::TooLarge { .. } => wasmtime::Error::new(Breach::OutputCap(self.output_bytes)),
            error @ LookUpError::Failed { .. } => {
                Breach::contract(format!("looked up table `{}`: {error}", plan.name))
            }
        })
    }

    /// Stages columns of a table's rows, one for each write of the plan that has the name of one.
    fn stage_join(&mut self, table: &Resource<Table>, column: u32) -> Result<Vec<u8>> {
        let keys = self.key_column(column)?;
        let plan = self.table(table)?;
        if plan.joins.iter().all(Option::is_none) {
            return Err(Breach::contract(format!(
                "joins lookup table `{}`, but its plan writes no column of it with the table's name and type",
                plan.name
            )));
        }
        self.check_types(plan)?;
        let joins: Vec<(usize, usize)> = plan
            .columns
            .iter()
            .zip(&plan.joins)
            .filter_map(|(column, write)| Some((*column, (*write)?)))
            .collect();
        let columns: Vec<usize> = joins.iter().map(|(column, _)| *column).collect();
        let keys: Vec<Option<&[u8]>> = keys.iter().collect();
        let (found, arrays) = self.look_up(plan, &keys, &columns)?;
        self.charge(arrays.iter().map(|array| array.get_array_memory_size()).sum())?;
        for ((_, write), array) in joins.into_iter().zip(arrays) {
            self.stage_write(write, array)?;
        }
        Ok(bits(found.into_iter()))
    }

    /// A column that the plan writes as another type would stay null in every row.
    fn check_types(&self, table: &TablePlan) -> Result<()> {
        let schema = table.table.schema();
        let (plan, _) = self.batch_in_hand()?;
        let unjoined = table.columns.iter().zip(&table.joins).filter(|(_, write)| write.is_none());
        for (column, _) in unjoined {
            let field = schema.field(*column);
            if let Some(write) = plan.writes.iter().find(|write| write.field.name() == field.name()) {
                let (there, here) = (type_name(field.data_type()), type_name(write.field.data_type()));
                return Err(Breach::contract(format!(
                    "joins lookup table `{}`, whose column `{}` is {there}, and its plan writes {here}",
                    table.name,
                    field.name()
                )));
            }
        }
        Ok(())
    }

    /// A column that the plan reads, as keys.
    fn key_column(&self, column: u32) -> Result<BinaryArray> {
        let (plan, batch) = self.batch_in_hand()?;
        let Some(read) = plan.reads.get(column as usize) else {
            let count = plan.reads.len();
            return Err(Breach::contract(format!("joins by column {column}; its plan reads {count}")));
        };
        let keys = key_bytes(batch.column(read.column)).ok_or_else(|| {
            let name = &read.name;
            Breach::contract(format!("joins by column `{name}`; a key is text, binary or an integer"))
        })?;
        Ok(keys.as_binary().clone())
    }
}

/// Each row as one JSON object of its columns, nulls written as null; none where the key has no row.
fn objects(plan: &TablePlan, found: &[bool], columns: Vec<ArrayRef>) -> Result<Vec<Option<Vec<u8>>>> {
    let schema = plan.table.schema();
    let field = |column: &usize| schema.field(*column).clone().with_nullable(true);
    let fields: Vec<_> = plan.columns.iter().map(field).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(found.len()));
    let unreadable = |error| Breach::contract(format!("looked up table `{}`: {error}", plan.name));
    let rows = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options);
    let mut writer =
        WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::<u8>::new());
    rows.and_then(|rows| writer.write(&rows)).and_then(|()| writer.finish()).map_err(unreadable)?;
    let text = writer.into_inner();
    let mut lines = text.split(|byte| *byte == b'\n');
    Ok(found.iter().map(|found| lines.next().filter(|_| *found).map(<[u8]>::to_vec)).collect())
}

impl Host for Calls {}

impl HostTable for Calls {
    fn new(&mut self, name: String) -> Result<Resource<Table>> {
        self.count()?;
        let tables = &self.in_hand()?.plan.tables;
        let number = tables.iter().position(|table| table.name == name);
        let undeclared =
            || Breach::contract(format!("asked for lookup table `{name}`, which its plan does not name"));
        Ok(Resource::new_own(number.ok_or_else(undeclared)? as u32))
    }

    fn get_many(&mut self, table: Resource<Table>, keys: Bytes) -> Result<Bytes> {
        self.count()?;
        let keys =
            items(&keys).map_err(|how| Breach::contract(format!("gave keys of a table with {how}")))?;
        let plan = self.table(&table)?;
        let (found, columns) = self.look_up(plan, &keys, &plan.columns)?;
        let room: usize = columns.iter().map(|array| array.get_array_memory_size()).sum();
        let values = match room <= self.room() {
            true => objects(plan, &found, columns)?,
            false => Vec::new(),
        };
        self.charge(room.max(values.iter().flatten().map(Vec::len).sum()))?;
        Ok(pack(&values))
    }

    fn join(&mut self, table: Resource<Table>, _: Resource<Batch>, key_col: u32) -> Result<Vec<u8>> {
        self.count()?;
        self.stage_join(&table, key_col)
    }

    fn drop(&mut self, _: Resource<Table>) -> Result<()> {
        Ok(())
    }
}
