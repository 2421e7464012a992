//! The plan's vocabulary, as the ABI has it: what a plugin says it reads and writes.

pub use crate::bindings::exports::millstream::plugin::plugin::{
    ConfigProblem, Input, InputPlan, Output, Plan, Store, TableUse,
};
pub use crate::bindings::millstream::plugin::types::{DataType, Field, TimeUnit, TimestampType};

use crate::batch::RawBatch;
use crate::column::Column;

/// A problem of the key at `path` (`zone`, `limits.speed`).
impl ConfigProblem {
    /// Says what is wrong with the value at `path`, and what was expected.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// A column that a row reads.
#[derive(Clone, Debug)]
pub struct Read {
    /// Name and type.
    pub field: Field,
    /// The stream may lack it: then the plan does not have it, and the row's field is `None`.
    pub optional: bool,
    /// It is taken out of the stream.
    pub dropped: bool,
}

impl Read {
    /// True if the plan for a stream reads it. The host's own columns always are.
    pub(crate) fn is_planned(&self, input: &Input) -> bool {
        !self.optional || is_host_column(&self.field.name) || find(input, &self.field.name).is_some()
    }
}

/// Where a row's fields find their columns in the plan's reads: columns that the stream lacks have no
/// place.
#[derive(Clone, Debug)]
pub struct Places(Vec<Option<u32>>);

impl Places {
    /// The places of `reads` in the plan for a stream.
    pub(crate) fn new(reads: &[Read], input: &Input) -> Self {
        let mut free = 0..;
        Self(reads.iter().map(|read| if read.is_planned(input) { free.next() } else { None }).collect())
    }

    /// Fetches the column of the `read`th field that is read.
    #[doc(hidden)]
    pub fn open<C: Column>(&self, batch: &dyn RawBatch, read: usize) -> C {
        self.open_optional(batch, read).expect("the plan has every column that is not optional")
    }

    /// As [`Places::open`], of a column that the stream may lack.
    #[doc(hidden)]
    pub fn open_optional<C: Column>(&self, batch: &dyn RawBatch, read: usize) -> Option<C> {
        self.0[read].map(|number| C::open(batch, number))
    }
}

/// True for the columns that every stream has from the host.
pub(crate) fn is_host_column(name: &str) -> bool {
    name.starts_with('_')
}

pub(crate) fn find<'a>(input: &'a Input, name: &str) -> Option<&'a Field> {
    input.fields.iter().find(|field| field.name == name)
}

/// True if the stream has the column, of the same type.
pub(crate) fn has(input: &Input, field: &Field) -> bool {
    find(input, &field.name).is_some_and(|found| found.ty == field.ty)
}

/// Why a column cannot be read from this stream. Its type is the host's to check.
pub(crate) fn problem_of_read(input: &Input, read: &Field, optional: bool) -> Option<ConfigProblem> {
    match find(input, &read.name) {
        None if optional || is_host_column(&read.name) => None,
        None => Some(missing(input, &read.name)),
        Some(field) if field.nullable && !read.nullable && !is_host_column(&read.name) => Some(of_column(
            input,
            &read.name,
            format!(
                "column `{}` may be null, but this plugin needs a value: declare it as required",
                read.name
            ),
        )),
        Some(_) => None,
    }
}

/// A stream lacks a column. The host's own columns are not named: nobody misses those.
pub(crate) fn missing(input: &Input, name: &str) -> ConfigProblem {
    let mut columns = String::new();
    for field in input.fields.iter().filter(|field| !is_host_column(&field.name)) {
        let separator = if columns.is_empty() { "`" } else { ", `" };
        columns += separator;
        columns += &field.name;
        columns += "`";
    }
    if columns.is_empty() {
        columns += "none";
    }
    of_column(input, name, format!("the input has no column `{name}`; it has {columns}"))
}

pub(crate) fn of_column(input: &Input, column: &str, message: String) -> ConfigProblem {
    ConfigProblem::new(format!("inputs.{}.{column}", input.name), message)
}
