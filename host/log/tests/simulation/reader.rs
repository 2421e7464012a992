//! A reader of the table: takes the head of the log as its view and then reads the files one by one, while
//! they are merged, replayed and swept.

use std::collections::BTreeMap;

use millstream_log::invariants::{self, Attempt, Row, Violation};
use rand::Rng;

use crate::store::Content;
use crate::truth::TABLE;
use crate::world::{Failure, World};

/// What is read, and what was found so far.
pub struct Reading {
    taken_at: u64,
    files: Vec<String>,
    expected: BTreeMap<Row, Attempt>,
    rows: Vec<(Row, Attempt)>,
}

impl World {
    /// Reads one more file, or takes a view.
    pub fn read_on(&mut self) -> Result<(), Failure> {
        if self.tampered || !self.rng.random_bool(0.1) {
            return Ok(());
        }
        let Some(mut reading) = self.reading.take() else {
            let files = self.truth.state.files().get(TABLE).into_iter().flat_map(BTreeMap::keys).cloned();
            let (files, expected) = (files.collect(), self.truth.rows.clone());
            self.reading = Some(Reading { taken_at: self.now, files, expected, rows: Vec::new() });
            return Ok(());
        };
        let Some(path) = reading.files.pop() else {
            self.happened.count("table read");
            return Ok(invariants::rows_exactly_once(TABLE, &reading.expected, reading.rows)?);
        };
        match self.store.files.get(&path) {
            Some(Content::Rows(rows)) => reading.rows.extend(rows.iter().map(|row| row.named())),
            _ if self.truth.may_be_gone(&path, self.now) => {
                self.happened.count("reader too slow");
                self.log(format!("the view of {} is too old to be read", reading.taken_at));
                return Ok(());
            }
            _ => return Err(Violation::FileMissing { path }.into()),
        }
        self.reading = Some(reading);
        Ok(())
    }
}
