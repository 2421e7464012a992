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

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::batch::{Bools, Bytes, Float32s, Float64Lists, Float64s, Int32s, Int64s, RawBatch, RawColumns};
use crate::bitmap;
use crate::column::{Builder, Column};
use crate::configure::{Plugin, configure};
use crate::http::{Failure, Request, Response};
use crate::output::Outputs;
use crate::plan::{ConfigProblem, Field, Input, InputPlan, Output, Places, Plan};
use crate::{Row, Transform, Value, transform};

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
        written.columns.into_inner().remove("").expect("a column writes itself")
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
    let mut reads = T::Row::reads();
    let places = Places::new(&reads, &input);
    reads.retain(|read| read.is_planned(&input));
    let (mut wider, mut problems) = (Vec::new(), Vec::new());
    let outputs: Outputs<'_> = Transform::outputs(transform);
    let outputs = outputs.declare(&input, &mut wider, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let own = InputPlan {
        reads: reads.into_iter().map(|read| read.field).collect(),
        writes: T::Row::writes(),
        drops: vec![],
        key: None,
        row_preserving: false,
    };
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

type Server = dyn FnMut(&Request) -> Result<Response, Failure>;

thread_local! {
    static SERVER: RefCell<Option<Box<Server>>> = const { RefCell::new(None) };
}

/// Answers the requests of this thread's transforms from now on; before that, they all fail.
pub fn answer_http(server: impl FnMut(&Request) -> Result<Response, Failure> + 'static) {
    SERVER.set(Some(Box::new(server)));
}

pub(crate) fn ask_http(request: &Request) -> Result<Response, Failure> {
    SERVER.with_borrow_mut(|server| match server {
        Some(server) => server(request),
        None => Err(Failure::Failed("no server in this test: see `testing::answer_http`".to_owned())),
    })
}

/// Columns as they are written.
struct Written {
    rows: usize,
    fields: Vec<Field>,
    columns: RefCell<BTreeMap<String, Values>>,
}

impl Written {
    fn new(rows: usize, fields: Vec<Field>) -> Self {
        Self { rows, fields, columns: RefCell::default() }
    }

    fn write(&self, column: u32, buffers: Buffers) {
        let field = self.fields[column as usize].clone();
        let (name, values) =
            (field.name.clone(), Values { field, rows: self.rows, buffers: buffers.normal() });
        assert!(self.columns.borrow_mut().insert(name, values).is_none(), "a column was written twice");
    }
}

impl RawColumns for Written {
    fn write_bool(&self, column: u32, values: &Bools) {
        self.write(column, Buffers::Bools(values.clone()));
    }
    fn write_int32(&self, column: u32, values: &Int32s) {
        self.write(column, Buffers::Int32s(values.clone()));
    }
    fn write_int64(&self, column: u32, values: &Int64s) {
        self.write(column, Buffers::Int64s(values.clone()));
    }
    fn write_float32(&self, column: u32, values: &Float32s) {
        self.write(column, Buffers::Float32s(values.clone()));
    }
    fn write_float64(&self, column: u32, values: &Float64s) {
        self.write(column, Buffers::Float64s(values.clone()));
    }
    fn write_bytes(&self, column: u32, values: &Bytes) {
        self.write(column, Buffers::Bytes(values.clone()));
    }
    fn write_float64_list(&self, column: u32, values: &Float64Lists) {
        self.write(column, Buffers::Float64Lists(values.clone()));
    }
}

struct Memory<'a> {
    read: Vec<&'a Values>,
    written: Written,
    outputs: Vec<Output>,
    mask: RefCell<Option<Vec<u8>>>,
    rejected: RefCell<BTreeMap<String, Vec<usize>>>,
    emitted: RefCell<BTreeMap<String, Emitted>>,
}

impl<'a> Memory<'a> {
    fn new(columns: &'a [(&str, Values)], plan: InputPlan, outputs: Vec<Output>) -> Self {
        let rows = columns.first().map_or(0, |(_, values)| values.rows);
        let find = |field: &Field| {
            let (_, values) = columns
                .iter()
                .find(|(column, _)| *column == field.name)
                .unwrap_or_else(|| panic!("the plugin reads `{}`: give it to the test", field.name));
            values
        };
        for (name, values) in columns {
            assert_eq!(values.rows, rows, "`{name}` has another length than the first column");
        }
        Self {
            read: plan.reads.iter().map(find).collect(),
            written: Written::new(rows, plan.writes),
            outputs,
            mask: RefCell::default(),
            rejected: RefCell::default(),
            emitted: RefCell::default(),
        }
    }

    fn outcome(self) -> Processed {
        let rows = self.written.rows;
        let rejected = self.rejected.into_inner();
        let mask = self.mask.into_inner().unwrap_or_else(|| bitmap::ones(rows));
        let is_rejected = |row: &usize| rejected.values().any(|rows| rows.contains(row));
        let kept = (0..rows).filter(|row| bitmap::is_set(&mask, *row) && !is_rejected(row)).collect();
        let (written, emitted) = (self.written.columns.into_inner(), self.emitted.into_inner());
        Processed { kept, rejected, written, emitted }
    }

    fn buffers(&self, column: u32) -> &Buffers {
        &self.read[column as usize].buffers
    }
}

fn wrong_type(expected: &str, found: &Buffers) -> ! {
    panic!("the plugin reads {expected}, the test gives {found:?}")
}

impl RawColumns for Memory<'_> {
    fn write_bool(&self, column: u32, values: &Bools) {
        self.written.write_bool(column, values);
    }
    fn write_int32(&self, column: u32, values: &Int32s) {
        self.written.write_int32(column, values);
    }
    fn write_int64(&self, column: u32, values: &Int64s) {
        self.written.write_int64(column, values);
    }
    fn write_float32(&self, column: u32, values: &Float32s) {
        self.written.write_float32(column, values);
    }
    fn write_float64(&self, column: u32, values: &Float64s) {
        self.written.write_float64(column, values);
    }
    fn write_bytes(&self, column: u32, values: &Bytes) {
        self.written.write_bytes(column, values);
    }
    fn write_float64_list(&self, column: u32, values: &Float64Lists) {
        self.written.write_float64_list(column, values);
    }
}

impl RawBatch for Memory<'_> {
    fn rows(&self) -> usize {
        self.written.rows
    }
    fn read_bool(&self, column: u32) -> Bools {
        match self.buffers(column) {
            Buffers::Bools(values) => values.clone(),
            other => wrong_type("booleans", other),
        }
    }
    fn read_int32(&self, column: u32) -> Int32s {
        match self.buffers(column) {
            Buffers::Int32s(values) => values.clone(),
            other => wrong_type("32-bit integers", other),
        }
    }
    fn read_int64(&self, column: u32) -> Int64s {
        match self.buffers(column) {
            Buffers::Int64s(values) => values.clone(),
            other => wrong_type("64-bit integers", other),
        }
    }
    fn read_float32(&self, column: u32) -> Float32s {
        match self.buffers(column) {
            Buffers::Float32s(values) => values.clone(),
            other => wrong_type("32-bit floats", other),
        }
    }
    fn read_float64(&self, column: u32) -> Float64s {
        match self.buffers(column) {
            Buffers::Float64s(values) => values.clone(),
            other => wrong_type("64-bit floats", other),
        }
    }
    fn read_bytes(&self, column: u32) -> Bytes {
        match self.buffers(column) {
            Buffers::Bytes(values) => values.clone(),
            other => wrong_type("text or bytes", other),
        }
    }
    fn read_float64_list(&self, column: u32) -> Float64Lists {
        match self.buffers(column) {
            Buffers::Float64Lists(values) => values.clone(),
            other => wrong_type("lists of floats", other),
        }
    }
    fn keep(&self, mask: &[u8]) {
        assert!(self.mask.replace(Some(mask.to_vec())).is_none(), "keep was called twice");
    }
    fn reject(&self, rows: &[u32], reason: &str) {
        let rows = rows.iter().map(|row| *row as usize).collect();
        let before = self.rejected.borrow_mut().insert(reason.to_owned(), rows);
        assert!(before.is_none(), "reject was called twice for one reason");
    }
    fn emit(&self, output: u32, parents: Vec<u32>, write: Box<dyn FnOnce(&dyn RawColumns) + '_>) {
        let Output { name, fields } = self.outputs[output as usize].clone();
        let written = Written::new(parents.len(), fields);
        write(&written);
        let parents = parents.into_iter().map(|parent| parent as usize).collect();
        let emitted = Emitted { parents, written: written.columns.into_inner() };
        let before = self.emitted.borrow_mut().insert(name, emitted);
        assert!(before.is_none(), "an output was emitted twice");
    }
}
