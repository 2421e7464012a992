//! Columns of a table that the host writes into the batch. Names of a table and of a key column enter; columns leave
//! on the host's side, and for each row whether it was found.

use std::borrow::Cow;
use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::{Rc, Weak};

use super::LooksUp;
use crate::batch::RawBatch;
use crate::bitmap;
use crate::output::Record;
use crate::plan::{self, ConfigProblem, DataType, Field, Input, InputPlan, TableUse};
use crate::transform::NO_ROW;

/// A table whose columns are written into the rows of a batch, null where it has no row. `R` has the columns, with
/// the names and types of the table's own. A table is joined once, by one key, and nothing else writes its columns.
/// The columns are not for [`Row`](crate::Row): reads see a row as it came in.
pub struct Join<R> {
    table: Cow<'static, str>,
    key: Cow<'static, str>,
    /// Number of the key column among the plan's reads.
    column: u32,
    /// Type of the key column as it is read.
    #[cfg(not(target_arch = "wasm32"))]
    ty: DataType,
    /// Number of the first column among the plan's writes.
    first: u32,
    found: Vec<u8>,
    in_hand: Weak<Cell<u32>>,
    rows: PhantomData<fn() -> R>,
}

impl<R: Record> Join<R> {
    /// The table of this name, whose rows are found by the stream's column `key`: text, binary or an integer.
    pub fn new(table: impl Into<Cow<'static, str>>, key: impl Into<Cow<'static, str>>) -> Self {
        let (table, key) = (table.into(), key.into());
        Self {
            table,
            key,
            column: 0,
            #[cfg(not(target_arch = "wasm32"))]
            ty: DataType::Utf8,
            first: 0,
            found: Vec::new(),
            in_hand: Weak::new(),
            rows: PhantomData,
        }
    }

    /// True if the table has a row for the row in hand.
    ///
    /// # Panics
    /// Where no row is in hand, or if the join is not named in `lookups`.
    #[track_caller]
    pub fn is_found(&self) -> bool {
        let row = self.in_hand.upgrade().expect(NOT_NAMED).get();
        assert!(row != NO_ROW, "no row is in hand here: say which with `is_found_for`");
        self.is_found_for(row as usize)
    }

    /// True if the table has a row for row number `row` of the batch.
    ///
    /// # Panics
    /// If there is no such row, or the join is not named in `lookups`.
    #[track_caller]
    pub fn is_found_for(&self, row: usize) -> bool {
        assert!(
            row / 8 < self.found.len(),
            "no row {row} is in hand here, or this join is not named in `lookups`"
        );
        bitmap::is_set(&self.found, row)
    }
}

const NOT_NAMED: &str = "no row is in hand here, or this join is not named in `lookups`";

/// The columns as they are written: a row that is not found has nulls.
fn fields<R: Record>() -> Vec<Field> {
    R::fields().into_iter().map(|field| Field { nullable: true, ..field }).collect()
}

impl<R: Record> LooksUp for Join<R> {
    fn declare(&mut self, input: &Input, own: &mut InputPlan, problems: &mut Vec<ConfigProblem>) -> TableUse {
        let fields = fields::<R>();
        let columns = fields.iter().map(|field| field.name.clone()).collect();
        self.first = own.writes.len() as u32;
        own.writes.extend(fields);
        match own.reads.iter().position(|read| *read.name == *self.key) {
            Some(read) => self.column = read as u32,
            None => {
                self.column = own.reads.len() as u32;
                match plan::find(input, &self.key) {
                    Some(field) => own.reads.push(field.clone()),
                    None => problems.push(plan::missing(input, &self.key)),
                }
            }
        }
        if let Some(read) = own.reads.get(self.column as usize) {
            #[cfg(not(target_arch = "wasm32"))]
            self.ty.clone_from(&read.ty);
            if !is_key(&read.ty) {
                let (table, column) = (&self.table, &read.name);
                let message = format!(
                    "lookup table `{table}` is joined by column `{column}`: a key is text, binary or an integer"
                );
                problems.push(plan::of_column(input, &self.key, message));
            }
        }
        TableUse { name: self.table.clone().into_owned(), columns }
    }

    #[cfg(target_arch = "wasm32")]
    fn begin(&mut self, batch: &dyn RawBatch, in_hand: &Rc<Cell<u32>>) {
        use crate::bindings::millstream::plugin::lookup::Table;
        self.in_hand = Rc::downgrade(in_hand);
        self.found = Table::new(&self.table).join(batch.host(), self.column);
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn begin(&mut self, batch: &dyn RawBatch, in_hand: &Rc<Cell<u32>>) {
        self.in_hand = Rc::downgrade(in_hand);
        self.found =
            crate::testing::join(&self.table, batch, (self.column, &self.ty), (self.first, &fields::<R>()));
    }
}

fn is_key(ty: &DataType) -> bool {
    matches!(ty, DataType::Utf8 | DataType::Binary | DataType::Int32 | DataType::Int64)
}
