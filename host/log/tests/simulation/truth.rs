//! The omniscient observer: sees every entry in the moment it lands, and holds the workers' views,
//! the files and the history against the invariants.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use millstream_log::invariants::{self, Row, Violation};
use millstream_log::{Folded, LogState, Rules};
use millstream_model::entry::{Body, Data, Entry, Sequence, SessionId};
use millstream_model::{Offset, TopicPartition};

use crate::store::{Content, Store};

pub const TABLE: &str = "curated.t";
pub const STEP: &str = "t/sum";

/// Every fourth message is dropped by the step, so that some entries have no file.
pub fn is_kept(offset: Offset) -> bool {
    offset % 4 != 3
}

pub fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("t", number)
}

pub struct Truth {
    rules: Rules,
    pub state: LogState,
    states: BTreeMap<Sequence, LogState>,
    pub accepted: Vec<Entry>,
    rows: BTreeSet<Row>,
    sums: BTreeMap<i32, i64>,
}

impl Truth {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            state: LogState::default(),
            states: BTreeMap::new(),
            accepted: Vec::new(),
            rows: BTreeSet::new(),
            sums: BTreeMap::new(),
        }
    }

    /// An entry has landed in `slot`. One that does not continue the log is a zombie's.
    pub fn landed(&mut self, slot: Sequence, bytes: &Bytes, store: &Store) -> Result<(), Violation> {
        if slot != self.state.sequence() + 1 {
            return Ok(());
        }
        let Ok(folded) = self.state.fold(bytes, &self.rules) else { return Ok(()) };
        self.states.insert(slot, self.state.clone());
        let Folded::Accepted(entry) = folded else { return Ok(()) };
        if let Body::Data(data) = &entry.body {
            self.expect(data);
        }
        self.accepted.push(entry);
        invariants::history_is_sound(&self.accepted)?;
        self.check_files(store)
    }

    fn expect(&mut self, data: &Data) {
        for consumed in data.ranges.iter().filter(|consumed| consumed.skipped.is_none()) {
            let partition = &consumed.partition;
            for offset in consumed.range.start..consumed.range.end {
                *self.sums.entry(partition.partition).or_default() += offset;
                if is_kept(offset) {
                    self.rows.insert((partition.clone(), offset));
                }
            }
        }
    }

    /// Live files are there and hold what the accepted offsets make.
    pub fn check_files(&self, store: &Store) -> Result<(), Violation> {
        invariants::live_files_exist(&self.state, |path| store.files.contains_key(path))?;
        let live = self.state.files().get(TABLE).into_iter().flat_map(BTreeMap::keys);
        let rows = live.flat_map(|path| match &store.files[path] {
            Content::Rows(rows) => rows.as_slice(),
            Content::Sum(_) => &[],
        });
        let rows = rows.map(|(number, offset)| (partition(*number), *offset));
        invariants::rows_exactly_once(TABLE, &self.rows, rows)?;
        self.sums.iter().try_for_each(|(task, sum)| self.check_sum(*task, *sum, store))
    }

    fn check_sum(&self, task: i32, expected: i64, store: &Store) -> Result<(), Violation> {
        let last = self.state.state_files(STEP, task).last();
        let found = last.map_or("none".to_owned(), |delta| match &store.files[&delta.path] {
            Content::Sum(sum) => sum.to_string(),
            Content::Rows(_) => "rows".to_owned(),
        });
        if found == expected.to_string() {
            return Ok(());
        }
        Err(Violation::StateWrong { step: STEP.into(), task, expected: expected.to_string(), found })
    }

    /// A view that was declared good is the log's own at its sequence.
    pub fn check_view(&self, name: &str, view: &LogState) -> Result<(), Violation> {
        match self.states.get(&view.sequence()) {
            Some(truth) => invariants::views_agree(name, view, truth),
            None if view.sequence() == 0 => Ok(()),
            None => Err(Violation::ViewDiffers { view: name.to_owned(), sequence: view.sequence() }),
        }
    }

    /// A view that was declared current had reached the head of when its reading began.
    pub fn check_current(&self, name: &str, view: &LogState, head: Sequence) -> Result<(), Violation> {
        match view.sequence() >= head {
            true => Ok(()),
            false => Err(Violation::ViewStale { view: name.to_owned(), head, found: view.sequence() }),
        }
    }

    /// An entry that its writer believes accepted is in the log.
    pub fn check_accepted(&self, session: &SessionId, sequence: Sequence) -> Result<(), Violation> {
        match self.accepted.iter().any(|entry| entry.sequence == sequence && entry.session == *session) {
            true => Ok(()),
            false => Err(Violation::AcceptedLost { view: session.to_string(), sequence }),
        }
    }
}
