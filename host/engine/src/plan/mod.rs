//! A plugin's plan, checked against the schema of the stream: what remains is column numbers, so that
//! nothing is looked up by name while rows flow.

mod check;
mod granted;
mod keyed;
mod problem;
mod tables;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};

pub(crate) use check::{check, check_http};
pub use granted::Missing;
pub(crate) use granted::{Reach, check as check_grants, widened};
pub(crate) use keyed::{KeyedPlan, check as check_keyed};
pub use problem::PlanProblem;

use crate::lookup::LookupTable;

/// What a plugin declared that it does with a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Columns it reads, with the types it reads them as.
    pub reads: Vec<Field>,
    /// Columns it rewrites or adds.
    pub writes: Vec<Field>,
    /// Columns it removes.
    pub drops: Vec<String>,
    /// It never drops, rejects or emits rows.
    pub row_preserving: bool,
}

/// Rows for a table that a plugin makes besides those of the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Name of the output, by which it is routed.
    pub name: String,
    /// The declared fields, then `_topic, _partition, _offset, _timestamp, _event_time, _key` of the rows
    /// they were made of.
    pub schema: SchemaRef,
}

/// A checked plan, ready to run.
#[derive(Debug)]
pub(crate) struct StepPlan {
    pub(crate) declared: Plan,
    pub(crate) input: SchemaRef,
    pub(crate) output: SchemaRef,
    /// Position of `_offset` in the input.
    pub(crate) offset_column: usize,
    pub(crate) reads: Vec<Read>,
    pub(crate) writes: Vec<Write>,
    /// Where each column of the output comes from.
    pub(crate) layout: Vec<Origin>,
    /// The plan's outputs, by the number the plugin knows them by.
    pub(crate) emits: Vec<EmitPlan>,
    /// The outputs that leave the stream; of a keyed plugin all of them, so that their numbers are those of
    /// every input.
    pub(crate) routed: Vec<Output>,
    /// The plan's lookup tables, by the number the plugin knows them by.
    pub(crate) tables: Vec<TablePlan>,
}

/// A lookup table as a plugin uses it.
#[derive(Clone, Debug)]
pub(crate) struct TablePlan {
    pub(crate) name: String,
    pub(crate) table: Arc<dyn LookupTable>,
    /// The columns that the plan names.
    pub(crate) columns: Vec<usize>,
    /// For each of them the number among the plan's writes that a join writes it to.
    pub(crate) joins: Vec<Option<usize>>,
}

/// A column the plugin reads.
#[derive(Debug)]
pub(crate) struct Read {
    /// Position in the input.
    pub(crate) column: usize,
    pub(crate) name: String,
    /// Type that the plugin sees.
    pub(crate) ty: DataType,
    /// The input has another type.
    pub(crate) cast: bool,
}

/// A column the plugin writes.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) field: FieldRef,
    /// Column of the input that stays if the plugin does not write it.
    pub(crate) fallback: Option<usize>,
}

/// Origin of a column of the step's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A column of the input.
    Input(usize),
    /// A number among the plan's writes.
    Write(usize),
}

/// How a batch of emitted rows is put together.
#[derive(Debug)]
pub(crate) struct EmitPlan {
    pub(crate) name: String,
    pub(crate) target: Target,
    /// Fields the plugin writes, by the number it knows them by.
    pub(crate) fields: Vec<FieldRef>,
    pub(crate) schema: SchemaRef,
    /// One for each field of the schema.
    pub(crate) columns: Vec<EmitColumn>,
    /// Schema of rows that timers emit: they have no place in a topic, so the system columns are not there.
    pub(crate) fired: SchemaRef,
    /// One for each field of `fired`.
    pub(crate) fired_columns: Vec<EmitColumn>,
}

impl EmitPlan {
    /// What emitted rows look like: those of a batch, or those of timers.
    pub(crate) fn shape(&self, of_batch: bool) -> (&SchemaRef, &[EmitColumn]) {
        match of_batch {
            true => (&self.schema, &self.columns),
            false => (&self.fired, &self.fired_columns),
        }
    }
}

/// Where emitted rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// They continue in the stream.
    Stream,
    /// They leave it by this number among the routed outputs.
    Routed(usize),
}

/// A column of emitted rows: written by the plugin, else taken from the parent, else null.
#[derive(Debug)]
pub(crate) struct EmitColumn {
    /// Number among the fields the plugin writes.
    pub(crate) written: Option<usize>,
    /// Position in the input.
    pub(crate) inherited: Option<usize>,
}

/// Input of a step: the name of the stream and what its batches look like.
#[derive(Clone, Debug)]
pub struct InputSpec {
    /// Name of the stream.
    pub name: String,
    /// Schema of its batches, system columns included.
    pub schema: SchemaRef,
}

impl InputSpec {
    /// An input by name and schema.
    pub fn new(name: impl Into<String>, schema: SchemaRef) -> Self {
        Self { name: name.into(), schema }
    }
}
