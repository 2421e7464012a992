//! Batches in memory, for native tests of transforms: columns go in by name, the outcome comes out.
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
//! use millstream_sdk::testing::{Values, process};
//!
//! let outcome = process(&mut Halve, &[("speed", Values::of([3.0, 5.0]))]);
//! assert_eq!(outcome.written["speed"], Values::of([1.5, 2.5]));
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::batch::{Batch, Bools, Bytes, Float32s, Float64Lists, Float64s, Int32s, Int64s};
use crate::bitmap;
use crate::column::Builder;
use crate::http::{Failure, Request, Response};
use crate::plan::Places;
use crate::{Row, Transform, Value};

/// The values of one column.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    rows: usize,
    buffers: Buffers,
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

impl Values {
    /// A column of any of the types that a row's field may have.
    pub fn of<'a, V: Value<'a>>(values: impl IntoIterator<Item = V>) -> Self {
        let values: Vec<V> = values.into_iter().collect();
        let rows = values.len();
        let mut builder = V::Builder::new(rows);
        values.into_iter().for_each(|value| value.put(&mut builder));
        let batch = Memory::new(rows, Vec::new());
        builder.finish(&batch, 0);
        batch.written.into_inner().remove(&0).expect("a builder writes the column it is given")
    }
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Processed {
    /// The rows that go on, in their order.
    pub kept: Vec<usize>,
    /// The dead letters, by reason.
    pub rejected: BTreeMap<String, Vec<usize>>,
    /// The columns written, by name, with all rows.
    pub written: BTreeMap<String, Values>,
}

/// Runs a transform over a batch of these columns.
///
/// # Panics
/// If the transform's `prepare` fails, a column that the transform reads is not there and not optional, has nulls where it reads none, or columns are
/// of different lengths.
pub fn process<T: Transform>(transform: &mut T, columns: &[(&str, Values)]) -> Processed {
    let rows = columns.first().map_or(0, |(_, values)| values.rows);
    let find = |name: &str| {
        let (_, values) = columns
            .iter()
            .find(|(column, _)| *column == name)
            .unwrap_or_else(|| panic!("the transform reads `{name}`: give it to the test"));
        assert_eq!(values.rows, rows, "`{name}` has another length than the first column");
        values
    };
    let has = |name: &str| columns.iter().any(|(column, _)| *column == name);
    let mut reads = T::Row::reads();
    let places = Places::new(&reads, has);
    reads.retain(|read| read.is_planned(has));
    let batch = Memory::new(rows, reads.iter().map(|read| find(&read.field.name)).collect());
    crate::run(transform, &places, &batch)
        .unwrap_or_else(|error| panic!("the transform refused the batch: {error:?}"));
    batch.outcome(T::Row::writes().into_iter().map(|field| field.name).collect())
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

struct Memory<'a> {
    rows: usize,
    read: Vec<&'a Values>,
    written: RefCell<BTreeMap<u32, Values>>,
    mask: RefCell<Option<Vec<u8>>>,
    rejected: RefCell<BTreeMap<String, Vec<usize>>>,
}

impl<'a> Memory<'a> {
    fn new(rows: usize, read: Vec<&'a Values>) -> Self {
        Self {
            rows,
            read,
            written: RefCell::default(),
            mask: RefCell::default(),
            rejected: RefCell::default(),
        }
    }

    fn outcome(self, names: Vec<String>) -> Processed {
        let rejected = self.rejected.into_inner();
        let mask = self.mask.into_inner().unwrap_or_else(|| bitmap::ones(self.rows));
        let is_rejected = |row: &usize| rejected.values().any(|rows| rows.contains(row));
        let kept = (0..self.rows).filter(|row| bitmap::is_set(&mask, *row) && !is_rejected(row)).collect();
        let written = self.written.into_inner().into_iter();
        let written = written.map(|(column, values)| (names[column as usize].clone(), values)).collect();
        Processed { kept, rejected, written }
    }

    fn buffers(&self, column: u32) -> &Buffers {
        &self.read[column as usize].buffers
    }

    fn write(&self, column: u32, buffers: Buffers) {
        let values = Values { rows: self.rows, buffers };
        assert!(self.written.borrow_mut().insert(column, values).is_none(), "a column was written twice");
    }
}

fn wrong_type(expected: &str, found: &Buffers) -> ! {
    panic!("the transform reads {expected}, the test gives {found:?}")
}

impl Batch for Memory<'_> {
    fn rows(&self) -> usize {
        self.rows
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
    fn keep(&self, mask: &[u8]) {
        assert!(self.mask.replace(Some(mask.to_vec())).is_none(), "keep was called twice");
    }
    fn reject(&self, rows: &[u32], reason: &str) {
        let rows = rows.iter().map(|row| *row as usize).collect();
        let before = self.rejected.borrow_mut().insert(reason.to_owned(), rows);
        assert!(before.is_none(), "reject was called twice for one reason");
    }
}
