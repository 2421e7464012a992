//! What an author writes: a [`Transform`] over a [`Row`], and its [`Verdict`] on each. And the loop
//! that runs it over a batch: columns are opened once, rows go through one by one, what they write
//! and what became of them is handed back column by column.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use crate::batch::{RawBatch, RawColumns};
use crate::bindings::millstream::plugin::types::Error;
use crate::lookup::Lookups;
use crate::output::Outputs;
use crate::plan::{ConfigProblem, Field, Places, Read};
use crate::removed::Removed;

/// A projection of the input: which columns a transform reads and which it writes. Derived.
///
/// It is implemented for the `'static` form of the struct (`Vehicle<'static>`); the rows that a
/// transform sees, [`Row::Of`], borrow from the batch.
pub trait Row {
    /// The struct with the batch's lifetime.
    type Of<'a>;
    /// Columns that are read.
    type Columns;
    /// Columns that are written.
    type Builders;
    /// The columns read, in the order of the fields.
    fn reads() -> Vec<Read>;
    /// The columns written, in the order of the fields.
    fn writes() -> Vec<Field>;
    /// Fetches the columns from where they are in the plan.
    fn open(batch: &dyn RawBatch, places: &Places) -> Self::Columns;
    /// One row of them.
    fn get(columns: &Self::Columns, row: usize) -> Self::Of<'_>;
    /// Builders for `rows` rows.
    fn builders(rows: usize) -> Self::Builders;
    /// Appends what a row writes.
    fn put(row: Self::Of<'_>, builders: &mut Self::Builders);
    /// Hands the written columns to the batch.
    fn finish(builders: Self::Builders, columns: &dyn RawColumns);
}

/// The rows of a batch, one after the other.
pub struct Rows<'a, R: Row> {
    columns: &'a R::Columns,
    numbers: Range<usize>,
}

impl<'a, R: Row> Iterator for Rows<'a, R> {
    type Item = R::Of<'a>;

    fn next(&mut self) -> Option<R::Of<'a>> {
        let columns = self.columns;
        self.numbers.next().map(|number| R::get(columns, number))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.numbers.size_hint()
    }
}

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, with what was written.
    Keep,
    /// It ends here, and is counted.
    Drop,
    /// It becomes a dead letter with this reason. Reasons are counted one by one, so they say what is
    /// wrong with which column and do not contain the row's values.
    Reject(Cow<'static, str>),
}

/// What [`Transform::process`] returns: a [`Verdict`], or `()` for a transform that keeps every row.
pub trait Outcome {
    /// True if no row is ever dropped or rejected; the host is told so.
    const PRESERVES_ROWS: bool;
    /// As a verdict.
    fn verdict(self) -> Verdict;
}

impl Outcome for () {
    const PRESERVES_ROWS: bool = true;
    #[inline]
    fn verdict(self) -> Verdict {
        Verdict::Keep
    }
}

impl Outcome for Verdict {
    const PRESERVES_ROWS: bool = false;
    #[inline]
    fn verdict(self) -> Verdict {
        self
    }
}

/// What a plugin says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Name, mostly `env!("CARGO_PKG_NAME")`.
    pub name: &'static str,
    /// Version, mostly `env!("CARGO_PKG_VERSION")`.
    pub version: &'static str,
    /// JSON schema of the configuration.
    pub config_schema: Option<&'static str>,
    /// A configuration that works, as JSON.
    pub example_config: &'static str,
}

/// A stateless step: what a row becomes depends on that row and the configuration alone. `self` may
/// hold what saves work (a table, a cache): an instance may be thrown away after any batch.
pub trait Transform: Sized {
    /// The configuration. Keys it does not know are refused.
    type Config: serde::de::DeserializeOwned;
    /// The projection, with `'static` for its lifetime.
    type Row: Row;
    /// [`Verdict`], or `()` if every row is kept.
    type Outcome: Outcome;
    /// What the plugin says of itself.
    const ABOUT: About;

    /// Checks the configuration.
    ///
    /// # Errors
    /// Every problem, each with the path of its key (`zone`, `limits.speed`).
    fn configure(config: Self::Config) -> Result<Self, Vec<ConfigProblem>>;

    /// The outputs that rows are emitted to, with [`Output::emit`](crate::Output::emit) from `process`.
    fn outputs(&mut self) -> Outputs<'_> {
        Outputs::none()
    }

    /// The lookup tables that rows are looked up in.
    fn lookups(&mut self) -> Lookups<'_> {
        Lookups::none()
    }

    /// Sees the rows of a batch before they are processed, to fetch what they need in one go (as with
    /// [`crate::http::send_many`]); rows are read for this only if they are asked for. None of them is in hand.
    ///
    /// # Errors
    /// [`Error::Retry`]: the batch is tried again a few times; [`Error::BadBatch`]: some row is at fault, the host
    /// looks for it; [`Error::Fatal`]: the step cannot go on.
    fn prepare(&mut self, rows: Rows<'_, Self::Row>) -> Result<(), Error> {
        let _ = rows;
        Ok(())
    }

    /// Processes one row. Only changes to fields marked `write` or `new` are kept.
    fn process(&mut self, row: &mut <Self::Row as Row>::Of<'_>) -> Self::Outcome;
}

/// Number of the row in hand while none is.
pub(crate) const NO_ROW: u32 = u32::MAX;

/// Runs a transform over a batch whose columns are at `places`.
pub(crate) fn run<T: Transform>(
    transform: &mut T,
    places: &Places,
    batch: &dyn RawBatch,
) -> Result<(), Error> {
    let rows = batch.rows();
    // A transform without outputs and lookups has nobody who would ask which row is in hand.
    let is_asked = !transform.outputs().is_empty() || !transform.lookups().is_empty();
    let in_hand = is_asked.then(|| Rc::new(Cell::new(NO_ROW)));
    if let Some(in_hand) = &in_hand {
        transform.outputs().begin(in_hand);
        transform.lookups().begin(batch, in_hand);
    }
    let columns = T::Row::open(batch, places);
    transform.prepare(Rows { columns: &columns, numbers: 0..rows })?;
    let mut builders = T::Row::builders(rows);
    let mut removed = Removed::default();
    for number in 0..rows {
        if let Some(in_hand) = &in_hand {
            in_hand.set(number as u32);
        }
        let mut row = T::Row::get(&columns, number);
        match transform.process(&mut row).verdict() {
            Verdict::Keep => {}
            Verdict::Drop => removed.drop_row(rows, number),
            Verdict::Reject(reason) => removed.reject(rows, number, reason),
        }
        T::Row::put(row, &mut builders);
    }
    T::Row::finish(builders, batch);
    removed.apply(batch);
    transform.outputs().finish(batch);
    Ok(())
}
