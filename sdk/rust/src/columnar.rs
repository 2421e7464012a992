//! Plugins over whole columns: for steps whose columns are named by the configuration, and for those that
//! want loops over slices. [`Columnar::configure`] asks the [`Stream`] for handles to columns, which is the
//! plan; [`Columnar::process`] reads and writes them in each [`Batch`].
//!
//! ```
//! use millstream_sdk::columnar::{Batch, Columnar, Rewrite, Stream};
//! use millstream_sdk::plan::ConfigProblem;
//! use millstream_sdk::{About, Error};
//!
//! #[derive(serde::Deserialize)]
//! struct Config {
//!     column: String,
//!     limit: f64,
//! }
//!
//! /// Multiplies a column, and rejects what is above a limit.
//! struct Scale {
//!     limit: f64,
//!     column: Rewrite<Option<f64>>, // or `Read` and `Write` of different columns
//! }
//!
//! impl Columnar for Scale {
//!     type Config = Config;
//!     const ABOUT: About = About {
//!         name: "scale",
//!         version: "1.0.0",
//!         config_schema: None,
//!         example_config: r#"{"column": "speed", "limit": 300}"#,
//!     };
//!
//!     fn configure(config: Config, stream: &mut Stream<'_>) -> Result<Self, Vec<ConfigProblem>> {
//!         Ok(Self { limit: config.limit, column: stream.rewrite(&config.column) })
//!     }
//!
//!     fn process(&mut self, batch: &mut Batch<'_>) -> Result<(), Error> {
//!         let mut values = batch.read(self.column.before);
//!         values.values_mut().iter_mut().for_each(|value| *value *= 3.6);
//!         for row in 0..batch.rows() {
//!             if values.get(row).is_some_and(|value| value > self.limit) {
//!                 batch.reject(row, "too fast");
//!             }
//!         }
//!         batch.write(self.column.after, values);
//!         Ok(())
//!     }
//! }
//!
//! millstream_sdk::export!(Scale);
//!
//! # fn main() {
//! use millstream_sdk::testing::{Values, run};
//! let outcome = run::<Scale, _>(r#"{"column": "v", "limit": 300}"#, &[("v", Values::of([10.0, 100.0]))]);
//! let outcome = outcome.unwrap();
//! assert_eq!(outcome.written["v"], Values::of([36.0, 360.0]));
//! assert_eq!(outcome.rejected["too fast"], [1]);
//! # }
//! ```

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::batch::RawBatch;
use crate::column::Builder;
pub use crate::column::{Booleans, Column, Numbers};
use crate::lookup::Lookups;
use crate::plan::{self, ConfigProblem, Field, Input, InputPlan};
use crate::removed::Removed;
pub use crate::slices::{Binaries, Lists, Slices, Texts};
use crate::{About, Error, Outputs, Value};

/// A stateless step over columns: what a row becomes depends on that row and the configuration alone, so
/// that a batch may be cut anywhere. `self` may hold what saves work: an instance may be thrown away after
/// any batch.
pub trait Columnar: Sized {
    /// The configuration. Keys it does not know are refused.
    type Config: DeserializeOwned;
    /// What the plugin says of itself.
    const ABOUT: About;

    /// Checks the configuration against the stream, and says what is read, written and dropped.
    ///
    /// # Errors
    /// Every problem, each with the path of its key (`columns[2].name`). Columns that the stream lacks are
    /// problems of their own, which [`Stream::read`] keeps.
    fn configure(config: Self::Config, stream: &mut Stream<'_>) -> Result<Self, Vec<ConfigProblem>>;

    /// The outputs that rows are emitted to.
    fn outputs(&mut self) -> Outputs<'_> {
        Outputs::none()
    }

    /// The lookup tables that rows are looked up in.
    fn lookups(&mut self) -> Lookups<'_> {
        Lookups::none()
    }

    /// Processes a batch. Rows that are neither dropped nor rejected go on, with what was written.
    ///
    /// # Errors
    /// [`Error::Retry`]: the batch is tried again a few times; [`Error::BadBatch`]: some row is at fault, the
    /// host looks for it; [`Error::Fatal`]: the step cannot go on.
    fn process(&mut self, batch: &mut Batch<'_>) -> Result<(), Error>;
}

/// A column that is read as `V`, which may be any type that a field of a [`Row`](crate::Row) may have.
pub struct Read<V> {
    number: u32,
    value: PhantomData<fn() -> V>,
}

/// A column that is written as `V`.
pub struct Write<V> {
    number: u32,
    value: PhantomData<fn(V)>,
}

/// A column that is read and written back.
#[derive(Debug)]
pub struct Rewrite<V> {
    /// The column as it comes in.
    pub before: Read<V>,
    /// The column as it goes out.
    pub after: Write<V>,
}

impl<V> Clone for Rewrite<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Rewrite<V> {}

impl<V> Clone for Read<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Read<V> {}

impl<V> fmt::Debug for Read<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Read({})", self.number)
    }
}

impl<V> Clone for Write<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Write<V> {}

impl<V> fmt::Debug for Write<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Write({})", self.number)
    }
}

/// The stream that a step is configured for: its columns, and the plan that is being made.
pub struct Stream<'a> {
    input: &'a Input,
    plan: InputPlan,
    problems: Vec<ConfigProblem>,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(input: &'a Input) -> Self {
        let plan =
            InputPlan { reads: vec![], writes: vec![], drops: vec![], key: None, row_preserving: false };
        Self { input, plan, problems: Vec::new() }
    }

    /// The columns of the stream, the host's among them (their names begin with an underscore).
    pub fn columns(&self) -> &'a [Field] {
        &self.input.fields
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&'a Field> {
        plan::find(self.input, name)
    }

    /// Reads the column of this name. That the stream lacks it, or that it has nulls where `V` is no
    /// `Option`, becomes a problem of the configuration.
    pub fn read<V: Value<'static>>(&mut self, name: &str) -> Read<V> {
        let field = field::<V>(name);
        self.problems.extend(plan::problem_of_read(self.input, &field, false));
        let number = match self.plan.reads.iter().position(|read| read.name == name) {
            None => {
                self.plan.reads.push(field);
                self.plan.reads.len() - 1
            }
            Some(number) => {
                if self.plan.reads[number].ty != field.ty {
                    self.refuse(name, "read as two types");
                }
                // Whoever can do without nulls has made sure above that there are none.
                self.plan.reads[number].nullable |= field.nullable;
                number
            }
        };
        Read { number: number as u32, value: PhantomData }
    }

    /// Writes the column of this name, a new one if the stream has none. A batch that does not write it
    /// leaves it as it was, or null where it is new.
    pub fn write<V: Value<'static>>(&mut self, name: &str) -> Write<V> {
        if self.is_changed(name) {
            self.refuse(name, "written or dropped twice");
        }
        self.plan.writes.push(field::<V>(name));
        Write { number: self.plan.writes.len() as u32 - 1, value: PhantomData }
    }

    /// Reads the column of this name, and writes it back.
    pub fn rewrite<V: Value<'static>>(&mut self, name: &str) -> Rewrite<V> {
        Rewrite { before: self.read(name), after: self.write(name) }
    }

    /// Takes the column of this name out of the stream; it need not be read.
    pub fn drop_column(&mut self, name: &str) {
        if self.column(name).is_none() {
            self.problems.push(plan::missing(self.input, name));
        }
        if self.is_changed(name) {
            self.refuse(name, "written or dropped twice");
        }
        self.plan.drops.push(name.to_owned());
    }

    /// Promises that no row is dropped, rejected or emitted.
    pub fn keeps_every_row(&mut self) {
        self.plan.row_preserving = true;
    }

    pub(crate) fn finish(self) -> (InputPlan, Vec<ConfigProblem>) {
        (self.plan, self.problems)
    }

    fn is_changed(&self, name: &str) -> bool {
        self.plan.writes.iter().any(|write| write.name == name)
            || self.plan.drops.iter().any(|drop| drop == name)
    }

    fn refuse(&mut self, name: &str, how: &str) {
        self.problems.push(plan::of_column(self.input, name, format!("column `{name}` is {how}")));
    }
}

fn field<V: Value<'static>>(name: &str) -> Field {
    Field { name: name.to_owned(), ty: V::TYPE, nullable: V::NULLABLE }
}

/// A batch of rows. Reads always see the rows as they came in.
pub struct Batch<'a> {
    raw: &'a dyn RawBatch,
    rows: usize,
    removed: Removed,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(raw: &'a dyn RawBatch) -> Self {
        Self { raw, rows: raw.rows(), removed: Removed::default() }
    }

    /// Number of rows, at least one.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The column: [`Numbers`], [`Booleans`], [`Texts`], [`Binaries`] or [`Lists`].
    pub fn read<V: Value<'static>>(&self, column: Read<V>) -> V::Column {
        V::Column::open(self.raw, column.number)
    }

    /// Writes the column as a whole: as it was read and changed, or from a `Vec` of numbers.
    ///
    /// # Panics
    /// If it has another number of rows than the batch.
    pub fn write<V: Value<'static>>(&mut self, column: Write<V>, values: impl Into<V::Column>) {
        let values = values.into();
        assert_eq!(values.rows(), self.rows, "a column that is written has a value for each row");
        values.write(self.raw, column.number);
    }

    /// Writes the column value by value.
    ///
    /// # Panics
    /// If it has another number of rows than the batch.
    pub fn write_each<'v, V: Value<'static>, W: Value<'v, Builder = V::Builder>>(
        &mut self,
        column: Write<V>,
        values: impl IntoIterator<Item = W>,
    ) {
        let mut builder = V::Builder::new(self.rows);
        values.into_iter().for_each(|value| value.put(&mut builder));
        self.write(column, builder.finish());
    }

    /// The row ends here, and is counted.
    pub fn drop_row(&mut self, row: usize) {
        self.removed.drop_row(self.rows, row);
    }

    /// The row becomes a dead letter with this reason. Reasons are counted one by one, so they say what is
    /// wrong with which column and do not contain the row's values. The first one of a row stands.
    pub fn reject(&mut self, row: usize, reason: impl Into<Cow<'static, str>>) {
        self.removed.reject(self.rows, row, reason.into());
    }

    pub(crate) fn finish(self) {
        self.removed.apply(self.raw);
    }
}
