//! Batches in memory, for native tests of plugins: columns go in by name, the outcome comes out.
//! [`process`] tests a transform that the test has made; [`run`] begins with the text of the configuration, and
//! is the way to test what works on columns.
//!
//! ```
//! # use millstream_sdk::*;
//! # #[derive(Row)] struct Reading { #[row(write)] speed: f64 }
//! # struct Halve;
//! # impl Transform for Halve {
//! #     type Config = (); type Row = Reading; type Outcome = ();
//! #     const ABOUT: About = About { name: "", version: "", config_schema: None, example_config: "" };
//! #     fn configure(_: ()) -> Result<Self, Vec<plan::ConfigProblem>> { Ok(Self) }
//! #     fn process(&mut self, row: &mut Reading) { row.speed /= 2.0 }
//! # }
//! use millstream_sdk::testing::{Values, process, run};
//!
//! let columns = [("speed", Values::of([3.0, 5.0]))];
//! let outcome = process(&mut Halve, &columns);
//! assert_eq!(outcome.written["speed"], Values::of([1.5, 2.5]));
//! assert_eq!(run::<Halve, _>("null", &columns).unwrap(), outcome);
//!
//! let problems = run::<Halve, _>("null", &[("sped", Values::of([3.0]))]).unwrap_err();
//! assert_eq!(problems[0].path, "inputs.test.speed");
//! ```

mod effects;
mod memory;
mod tables;
mod task;

use std::collections::BTreeMap;

use crate::batch::{Bools, Bytes, Float32s, Float64Lists, Float64s, Int32s, Int64s};
use crate::bitmap;
use crate::column::{Builder, Column};
use crate::configure::{Plugin, configure, plan_of_rows};
use crate::output::Outputs;
use crate::plan::{ConfigProblem, Field, Input, Plan};
use crate::{Row, Transform, Value, transform};
pub use effects::{answer_http, count, gauge, logged};
pub(crate) use effects::{ask_http, note_count, note_gauge, note_log};
use memory::{Memory, Written};
pub use tables::lookup_table;
pub(crate) use tables::{join, look_up};
pub use task::{Fired, Task};

/// The values of one column.
#[derive(Clone, Debug)]
pub struct Values {
    field: Field,
    rows: usize,
    buffers: Buffers,
}

/// Equal values; a column that could hold nulls equals one that could not.
impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows && self.buffers == other.buffers
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Buffers {
    Bools(Bools),
    Int32s(Int32s),
    Int64s(Int64s),
    Float32s(Float32s),
    Float64s(Float64s),
    Bytes(Bytes),
    Float64Lists(Float64Lists),
}

impl Buffers {
    /// One form for equal columns: nothing stands where there is no value.
    fn normal(mut self) -> Self {
        match &mut self {
            Self::Bools(Bools { values, valid }) => {
                if let Some(valid) = valid {
                    values.iter_mut().zip(valid).for_each(|(bits, valid)| *bits &= *valid);
                }
            }
            Self::Int32s(Int32s { values, valid }) => blank(values, valid.as_deref()),
            Self::Int64s(Int64s { values, valid }) => blank(values, valid.as_deref()),
            Self::Float32s(Float32s { values, valid }) => blank(values, valid.as_deref()),
            Self::Float64s(Float64s { values, valid }) => blank(values, valid.as_deref()),
            Self::Bytes(_) | Self::Float64Lists(_) => {}
        }
        self
    }
}

fn blank<N: Default>(values: &mut [N], valid: Option<&[u8]>) {
    let nulls = values.iter_mut().enumerate().filter(|(row, _)| !bitmap::is_valid(valid, *row));
    nulls.for_each(|(_, value)| *value = N::default());
}

impl Values {
    /// A column of any of the types that a row's field may have.
    pub fn of<'a, V: Value<'a>>(values: impl IntoIterator<Item = V>) -> Self {
        let mut builder = V::Builder::new(0);
        values.into_iter().for_each(|value| value.put(&mut builder));
        let column = builder.finish();
        let field = Field { name: String::new(), ty: V::TYPE, nullable: V::NULLABLE };
        let written = Written::new(column.rows(), vec![field]);
        column.write(&written, 0);
        written.into_columns().remove("").expect("a column writes itself")
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Processed {
    /// The rows that go on, in their order.
    pub kept: Vec<usize>,
    /// The dead letters, by reason.
    pub rejected: BTreeMap<String, Vec<usize>>,
    /// The columns written, by name, with all rows.
    pub written: BTreeMap<String, Values>,
    /// The rows emitted, by the name of the output; [`INPUT`] is the stream itself.
    pub emitted: BTreeMap<String, Emitted>,
}

/// Rows of an output.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Emitted {
    /// The row of the input that each continues.
    pub parents: Vec<usize>,
    /// The columns written, by name. Those that the rows have from their parents are not among them.
    pub written: BTreeMap<String, Values>,
}

/// Name of the stream in tests.
pub const INPUT: &str = "test";

/// Runs a transform over a batch of these columns.
///
/// # Panics
/// If the transform's `prepare` fails, a column that the transform reads is not there and not optional, has
/// nulls where it reads none, or columns are of different lengths.
pub fn process<T: Transform>(transform: &mut T, columns: &[(&str, Values)]) -> Processed {
    let input = input(columns);
    let (places, mut own, _) = plan_of_rows(T::Row::reads(), T::Row::writes(), &input, false);
    let (mut wider, mut problems) = (Vec::new(), Vec::new());
    let outputs: Outputs<'_> = Transform::outputs(transform);
    let outputs = outputs.declare(&input, &mut wider, &mut problems);
    Transform::lookups(transform).declare(&input, &mut own, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let batch = Memory::new(columns, own, outputs);
    transform::run(transform, &places, &batch)
        .unwrap_or_else(|error| panic!("the transform refused the batch: {error:?}"));
    batch.outcome()
}

/// Configures a plugin for a stream of these columns, as a host does, and runs it over them.
///
/// # Errors
/// The problems that the plugin finds, in its configuration or in the columns.
///
/// # Panics
/// If the plugin returns an error, a column that it reads has another type, or columns are of different
/// lengths.
pub fn run<P: Plugin<Kind>, Kind>(
    config: &str,
    columns: &[(&str, Values)],
) -> Result<Processed, Vec<ConfigProblem>> {
    let mut configured = configure::<P, Kind>(config, &[input(columns)])?;
    let Plan { inputs, outputs, .. } = configured.plan().clone();
    let own = inputs.into_iter().next().expect("a plan of the SDK has one input");
    let batch = Memory::new(columns, own, outputs);
    configured.process(&batch).unwrap_or_else(|error| panic!("the plugin refused the batch: {error:?}"));
    Ok(batch.outcome())
}

fn input(columns: &[(&str, Values)]) -> Input {
    let field = |(name, values): &(&str, Values)| Field { name: (*name).to_owned(), ..values.field.clone() };
    Input { name: INPUT.to_owned(), fields: columns.iter().map(field).collect() }
}
