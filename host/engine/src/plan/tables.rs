//! Lookup tables of a plan, found among those that a step is given. Pure: no table is read here.

use std::sync::Arc;

use super::check::{check_unique, position};
use super::{PlanProblem, TablePlan, Write};
use crate::bindings::guest;
use crate::lookup::Tables;
use crate::types::same;

/// The tables that a plan names, with the columns that a join writes.
pub(super) fn resolve(
    uses: &[guest::TableUse],
    tables: &Tables,
    writes: &[Write],
) -> Result<Vec<TablePlan>, PlanProblem> {
    check_unique("uses lookup table", uses.iter().map(|table| &table.name))?;
    uses.iter().map(|table| resolve_one(table, tables, writes)).collect()
}

fn resolve_one(used: &guest::TableUse, tables: &Tables, writes: &[Write]) -> Result<TablePlan, PlanProblem> {
    check_unique("looks up column", &used.columns)?;
    let table = tables.get(&used.name).ok_or_else(|| PlanProblem::UnknownTable {
        table: used.name.clone(),
        tables: tables.keys().cloned().collect(),
    })?;
    let schema = table.schema();
    let column = |name: &String| {
        position(&schema, name).ok_or_else(|| PlanProblem::UnknownTableColumn {
            table: used.name.clone(),
            column: name.clone(),
            columns: schema.fields().iter().map(|field| field.name().clone()).collect(),
        })
    };
    let columns: Vec<usize> = used.columns.iter().map(column).collect::<Result<_, _>>()?;
    let join = |column: &usize| {
        let field = schema.field(*column);
        let fits = |write: &Write| {
            write.field.name() == field.name() && same(write.field.data_type(), field.data_type())
        };
        writes.iter().position(fits)
    };
    let joins = columns.iter().map(join).collect();
    Ok(TablePlan { name: used.name.clone(), table: Arc::clone(table), columns, joins })
}
