//! Rows that a plugin originates: several from one, continued in the stream, or rows for other tables.
//! They are built column by column and handed over when the batch is done, each with the row of the input
//! that it continues.

use std::cell::Cell;
use std::rc::Rc;

use crate::batch::{RawBatch, RawColumns, WriteColumns};
use crate::plan::{self, ConfigProblem, Field, Input};
use crate::transform::NO_ROW;

/// The columns of an output's rows that the plugin makes itself. Derived: every field is a column, named as
/// in a [`Row`](crate::Row) (`#[row(rename_all = "camelCase")]`, `#[row(name = "location.lat")]`).
///
/// Like a row it is implemented for the `'static` form of the struct. `()` has no columns: all of them are
/// the parent's.
pub trait Record {
    /// The struct with a lifetime.
    type Of<'a>;
    /// Columns that are written.
    type Builders;
    /// The columns, in the order of the fields.
    fn fields() -> Vec<Field>;
    /// Builders that expect `rows` rows.
    fn builders(rows: usize) -> Self::Builders;
    /// Appends a record.
    fn put(record: Self::Of<'_>, builders: &mut Self::Builders);
    /// Hands the columns over, the first as number `first`.
    fn finish(builders: Self::Builders, columns: &dyn RawColumns, first: u32);
}

impl Record for () {
    type Of<'a> = ();
    type Builders = ();
    fn fields() -> Vec<Field> {
        Vec::new()
    }
    fn builders(_: usize) {}
    fn put(_: (), _: &mut ()) {}
    fn finish(_: (), _: &dyn RawColumns, _: u32) {}
}

/// Where the rows of an output go.
#[derive(Clone, Debug)]
enum Target {
    Stream,
    Named { name: String, inherits: Inherits },
}

/// The columns that a row of another table has from its parent.
#[derive(Clone, Debug)]
enum Inherits {
    Nothing,
    Everything,
    Columns(Vec<String>),
}

/// Takes the rows of one output. A plugin holds it, names it in its `outputs`, and emits records to it.
///
/// What is emitted takes effect when the batch succeeds. A row keeps topic, partition and offset of its
/// parent; rows of one parent stay in the order in which they were emitted.
pub struct Output<R: Record> {
    target: Target,
    builders: Option<R::Builders>,
    parents: Vec<u32>,
    /// Number of the record's first column in the output.
    first: u32,
    /// The row that the loop over rows has in hand, while a batch is.
    in_hand: Option<Rc<Cell<u32>>>,
}

const NOT_NAMED: &str = "no batch is in hand here, or this output is not named in `outputs`";

impl<R: Record> Output<R> {
    /// Rows that continue in the stream, behind their parent or, if that is dropped, in its place. Columns
    /// that the record does not have are the parent's as they came in. Columns that the stream does not have
    /// become new ones, null in rows that are kept: a transform that keeps some writes them too.
    pub fn stream() -> Self {
        Self::new(Target::Stream)
    }

    /// Rows for another table. The stream's step says which: `outputs = { fires = "curated.fires" }`.
    pub fn named(name: impl Into<String>) -> Self {
        Self::new(Target::Named { name: name.into(), inherits: Inherits::Nothing })
    }

    /// With these columns of the parent in front of the record's own.
    #[must_use]
    pub fn inheriting<N: Into<String>>(self, columns: impl IntoIterator<Item = N>) -> Self {
        self.with(Inherits::Columns(columns.into_iter().map(Into::into).collect()))
    }

    /// With all columns of the parent, as they came in, in front of the record's own.
    #[must_use]
    pub fn inheriting_all(self) -> Self {
        self.with(Inherits::Everything)
    }

    /// Emits a record that continues the row in hand.
    ///
    /// # Panics
    /// Outside of [`Transform::process`](crate::Transform::process) and its like, or if the output is not named in
    /// `outputs`.
    #[track_caller]
    pub fn emit(&mut self, record: R::Of<'_>) {
        let row = self.in_hand.as_deref().expect(NOT_NAMED).get();
        assert!(row != NO_ROW, "no row is in hand here: say which with `emit_for`");
        self.emit_for(row as usize, record);
    }

    /// Emits a record that continues row number `parent` of the batch.
    ///
    /// # Panics
    /// While no batch is in hand, or if the output is not named in `outputs`: nobody would hand the row over.
    #[track_caller]
    pub fn emit_for(&mut self, parent: usize, record: R::Of<'_>) {
        assert!(self.in_hand.is_some(), "{NOT_NAMED}");
        R::put(record, self.builders.get_or_insert_with(|| R::builders(0)));
        self.parents.push(parent as u32);
    }

    fn new(target: Target) -> Self {
        Self { target, builders: None, parents: Vec::new(), first: 0, in_hand: None }
    }

    fn with(self, more: Inherits) -> Self {
        let target = match self.target {
            Target::Named { name, .. } => Target::Named { name, inherits: more },
            Target::Stream => Target::Stream,
        };
        Self { target, ..self }
    }
}

/// An [`Output`] of any record.
pub trait Emits {
    /// What the plan says of it; `wider` takes columns that the stream has only behind this step.
    #[doc(hidden)]
    fn declare(
        &mut self,
        input: &Input,
        wider: &mut Vec<Field>,
        problems: &mut Vec<ConfigProblem>,
    ) -> plan::Output;
    /// A batch begins.
    #[doc(hidden)]
    fn begin(&mut self, in_hand: &Rc<Cell<u32>>);
    /// What was emitted since, if anything was: what each row continues, and what writes their columns.
    #[doc(hidden)]
    fn take(&mut self) -> Option<(Vec<u32>, WriteColumns<'_>)>;
}

impl<R: Record> Emits for Output<R> {
    fn declare(
        &mut self,
        input: &Input,
        wider: &mut Vec<Field>,
        problems: &mut Vec<ConfigProblem>,
    ) -> plan::Output {
        let own = R::fields();
        match &self.target {
            Target::Stream => {
                wider.extend(own.iter().filter(|field| !plan::has(input, field)).cloned());
                plan::Output { name: input.name.clone(), fields: own }
            }
            Target::Named { name, inherits } => {
                let mut fields = inherited(inherits, &own, input, problems);
                self.first = fields.len() as u32;
                fields.extend(own);
                plan::Output { name: name.clone(), fields }
            }
        }
    }

    fn begin(&mut self, in_hand: &Rc<Cell<u32>>) {
        self.in_hand = Some(Rc::clone(in_hand));
        self.builders = None;
        self.parents.clear();
    }

    fn take(&mut self) -> Option<(Vec<u32>, WriteColumns<'_>)> {
        self.in_hand = None;
        let first = self.first;
        let builders = self.builders.take()?;
        let parents = std::mem::take(&mut self.parents);
        Some((parents, Box::new(move |columns| R::finish(builders, columns, first))))
    }
}

fn inherited(
    inherits: &Inherits,
    own: &[Field],
    input: &Input,
    problems: &mut Vec<ConfigProblem>,
) -> Vec<Field> {
    match inherits {
        Inherits::Nothing => Vec::new(),
        Inherits::Everything => {
            let is_own = |field: &&Field| own.iter().any(|own| own.name == field.name);
            let declared = input.fields.iter().filter(|field| !field.name.starts_with('_'));
            declared.filter(|field| !is_own(field)).cloned().collect()
        }
        Inherits::Columns(names) => {
            let find = |name: &String| match plan::find(input, name) {
                Some(field) => Some(field.clone()),
                None => {
                    problems.push(plan::missing(input, name));
                    None
                }
            };
            names.iter().filter_map(find).collect()
        }
    }
}

/// The outputs of a plugin, in an order that is always the same.
///
/// ```
/// # use millstream_sdk::{Output, Outputs};
/// # struct Route { fires: Output<()>, floods: Output<()> }
/// # impl Route {
/// fn outputs(&mut self) -> Outputs<'_> {
///     Outputs::none().and(&mut self.fires).and(&mut self.floods)
/// }
/// # }
/// ```
#[derive(Default)]
pub struct Outputs<'a>(Vec<&'a mut dyn Emits>);

impl<'a> Outputs<'a> {
    /// No outputs.
    pub fn none() -> Self {
        Self::default()
    }

    /// One more.
    #[must_use]
    pub fn and(mut self, output: &'a mut dyn Emits) -> Self {
        self.0.push(output);
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn declare(
        self,
        input: &Input,
        wider: &mut Vec<Field>,
        problems: &mut Vec<ConfigProblem>,
    ) -> Vec<plan::Output> {
        self.0.into_iter().map(|output| output.declare(input, wider, problems)).collect()
    }

    pub(crate) fn begin(self, in_hand: &Rc<Cell<u32>>) {
        self.0.into_iter().for_each(|output| output.begin(in_hand));
    }

    /// Hands over what was emitted for rows of a batch.
    pub(crate) fn finish(self, batch: &dyn RawBatch) {
        self.hand_over(|output, parents, write| batch.emit(output, parents, write));
    }

    /// Hands over what was emitted: the number of the output, what each row continues, and what writes the columns.
    pub(crate) fn hand_over(self, mut emit: impl FnMut(u32, Vec<u32>, WriteColumns<'_>)) {
        for (output, number) in self.0.into_iter().zip(0..) {
            if let Some((parents, write)) = output.take() {
                emit(number, parents, write);
            }
        }
    }
}

impl<'a, R: Record> FromIterator<&'a mut Output<R>> for Outputs<'a> {
    fn from_iter<I: IntoIterator<Item = &'a mut Output<R>>>(outputs: I) -> Self {
        Self(outputs.into_iter().map(|output| output as &mut dyn Emits).collect())
    }
}
