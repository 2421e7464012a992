//! Lookup tables: reference rows that the host keeps, found by a key. A plugin holds a [`Table`], whose rows it
//! reads, or a [`Join`], whose columns the host writes into the batch, and names them in its `lookups`; they must
//! be granted. Nothing here knows where tables come from. Streams have no tables as yet: cases and
//! [`crate::testing::lookup_table`] give them.
//!
//! ```
//! # use millstream_sdk::plan::ConfigProblem;
//! use millstream_sdk::lookup::{Join, Lookups, Table};
//! use millstream_sdk::{About, Record, Row, Transform, Verdict};
//!
//! /// The columns that are looked at: those of the struct, as serde names them.
//! #[derive(serde::Deserialize)]
//! struct Car {
//!     stolen: Option<bool>,
//! }
//!
//! /// Columns that every row gets: null where the table has no row.
//! #[derive(Record)]
//! struct Owner {
//!     owner: Option<String>,
//! }
//!
//! #[derive(Row)]
//! struct Sighting<'a> {
//!     plate: &'a str,
//! }
//!
//! struct Sightings {
//!     cars: Table<Car>,    // Table::new("cars")
//!     owners: Join<Owner>, // Join::new("owners", "plate")
//! }
//!
//! impl Transform for Sightings {
//! #   type Config = ();
//! #   type Row = Sighting<'static>;
//! #   type Outcome = Verdict;
//! #   const ABOUT: About = About { name: "s", version: "1", config_schema: None, example_config: "null" };
//! #   fn configure(_: ()) -> Result<Self, Vec<ConfigProblem>> {
//! #       Ok(Self { cars: Table::new("cars"), owners: Join::new("owners", "plate") })
//! #   }
//!     // ...
//!     fn lookups(&mut self) -> Lookups<'_> {
//!         Lookups::none().and(&mut self.cars).and(&mut self.owners)
//!     }
//!
//!     fn process(&mut self, sighting: &mut Sighting<'_>) -> Verdict {
//!         match self.cars.get(sighting.plate) {
//!             Some(car) if car.stolen == Some(true) => Verdict::Keep,
//!             _ if !self.owners.is_found() => Verdict::Reject("no such car".into()),
//!             _ => Verdict::Drop,
//!         }
//!     }
//! }
//! # use millstream_sdk::testing::{Values, lookup_table, run};
//! # lookup_table("cars", "plate", &[("plate", Values::of(["a"])), ("stolen", Values::of([true]))]);
//! # lookup_table("owners", "plate", &[("plate", Values::of(["b"])), ("owner", Values::of(["Ann"]))]);
//! # let outcome = run::<Sightings, _>("null", &[("plate", Values::of(["a", "b", "c"]))]).unwrap();
//! # assert_eq!(outcome.kept, [0]);
//! # assert_eq!(outcome.rejected["no such car"], [2]);
//! # assert_eq!(outcome.written["owner"], Values::of([None, Some("Ann"), None]));
//! ```

mod columns;
mod join;
mod table;

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use crate::batch::RawBatch;
use crate::plan::{self, ConfigProblem, Input, InputPlan, TableUse};
pub use join::Join;
pub use table::{LookupKey, Table};

/// A [`Table`] or a [`Join`] of any rows.
pub trait LooksUp {
    /// What the plan says of the table; columns that are written and read for it are added to `own`.
    #[doc(hidden)]
    fn declare(&mut self, input: &Input, own: &mut InputPlan, problems: &mut Vec<ConfigProblem>) -> TableUse;
    /// A batch begins.
    #[doc(hidden)]
    fn begin(&mut self, batch: &dyn RawBatch, in_hand: &Rc<Cell<u32>>);
}

/// The plan's writes that joins make: their numbers, by the name of the table.
#[derive(Default)]
struct Joins(Vec<(String, Vec<usize>)>);

impl Joins {
    #[inline]
    fn add(&mut self, table: &str, writes: Range<usize>, problems: &mut Vec<ConfigProblem>) {
        if writes.is_empty() {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| known == table) {
            Some((_, joined)) => {
                let message = format!(
                    "lookup table `{table}` is joined twice: join it once, with all columns, by one key"
                );
                problems.push(ConfigProblem::new("", message));
                joined.extend(writes);
            }
            None => self.0.push((table.to_owned(), writes.collect())),
        }
    }

    /// What is looked up in a table that is joined, and written by anything else, would be written twice.
    #[inline]
    fn check(
        &self,
        uses: &[TableUse],
        (input, own): (&Input, &InputPlan),
        problems: &mut Vec<ConfigProblem>,
    ) {
        for (table, joined) in &self.0 {
            let is_used =
                |name: &String| uses.iter().any(|used| used.name == *table && used.columns.contains(name));
            for (number, write) in own.writes.iter().enumerate() {
                if is_used(&write.name) && !joined.contains(&number) {
                    let name = &write.name;
                    let message = format!(
                        "column `{name}` is written by the plugin and, since it is looked up in table `{table}`, by \
                         the join of that table: write it under another name"
                    );
                    problems.push(plan::of_column(input, name, message));
                }
            }
        }
    }
}

/// The lookup tables of a plugin, in an order that is always the same.
#[derive(Default)]
pub struct Lookups<'a>(Vec<&'a mut dyn LooksUp>);

impl<'a> Lookups<'a> {
    /// No tables.
    #[inline]
    pub fn none() -> Self {
        Self::default()
    }

    /// One more.
    #[must_use]
    #[inline]
    pub fn and(mut self, table: &'a mut dyn LooksUp) -> Self {
        self.0.push(table);
        self
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    // What is inlined is compiled where it is called: a plugin without tables has none of it, nor its debug
    // information.

    /// The tables for the plan: one that is used twice is named once, with all the columns. The host's join writes
    /// each of these that the plan writes with the table's type, so the uses of a table must not meet there.
    #[inline]
    pub(crate) fn declare(
        self,
        input: &Input,
        own: &mut InputPlan,
        problems: &mut Vec<ConfigProblem>,
    ) -> Vec<TableUse> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut uses: Vec<TableUse> = Vec::new();
        let mut joins = Joins::default();
        for lookup in self.0 {
            let before = own.writes.len();
            let TableUse { name, columns } = lookup.declare(input, own, problems);
            joins.add(&name, before..own.writes.len(), problems);
            match uses.iter_mut().find(|known| known.name == name) {
                Some(known) => {
                    let new = columns.into_iter().filter(|column| !known.columns.contains(column));
                    let new: Vec<_> = new.collect();
                    known.columns.extend(new);
                }
                None => uses.push(TableUse { name, columns }),
            }
        }
        joins.check(&uses, (input, own), problems);
        uses
    }

    #[inline]
    pub(crate) fn begin(self, batch: &dyn RawBatch, in_hand: &Rc<Cell<u32>>) {
        self.0.into_iter().for_each(|lookup| lookup.begin(batch, in_hand));
    }
}
