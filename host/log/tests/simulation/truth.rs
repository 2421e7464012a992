//! The omniscient observer: sees every entry in the moment it lands, and holds the workers' views,
//! the files and the history against the invariants.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use bytes::Bytes;
use millstream_log::invariants::{self, Attempt, Row, Violation};
use millstream_log::{Folded, LogState, Rules, VERSIONS_MAX};
use millstream_model::entry::{
    Body, ConsumedRange, Control, Counters, Data, Entry, PluginUse, Replay, ReplayedRange, Sequence,
    SessionId,
};
use millstream_model::{Offset, TopicPartition};

use crate::source::{self, PARTITIONS, Source};
use crate::store::{Content, Store, StoredRow};
use crate::worker::{STEPS, STREAM};
use crate::world::Happened;

pub const TABLE: &str = "curated.t";
pub const STEP: &str = "t/sum";

/// How long a replaced file is kept for readers.
pub const GRACE: u64 = 150;

/// Every fourth message is dropped by the step, others in each attempt, and some attempts drop all: so some
/// entries have no file.
pub fn is_kept(offset: Offset, attempt: Attempt) -> bool {
    !attempt.is_multiple_of(5) && (offset as u64 + attempt) % 4 != 3
}

/// Counters that tell the observer which attempt an entry is of; the protocol only adds them up.
pub fn counted(attempt: Attempt) -> Counters {
    Counters { r#in: attempt, ..Counters::default() }
}

pub fn partition(number: i32) -> TopicPartition {
    static ALL: LazyLock<Vec<TopicPartition>> =
        LazyLock::new(|| (0..PARTITIONS as i32).map(|number| TopicPartition::new("t", number)).collect());
    ALL[number as usize].clone()
}

/// The other partitions are of a step without state: they can be replayed, and their entries have nothing but
/// positions that ties them to the entries before.
pub fn has_state(number: i32) -> bool {
    number == 0
}

/// Files that were replaced since then must be there at `now`.
pub fn kept_since(now: u64) -> i64 {
    now as i64 - GRACE as i64
}

fn kind_of(body: &Body) -> &'static str {
    match body {
        Body::Data(data) if data.ranges.is_empty() => "idle",
        Body::Data(_) => "data",
        Body::Replace(_) => "merge",
        Body::Replay(replay) if replay.tables.iter().all(|table| table.added.is_empty()) => {
            "replay to nothing"
        }
        Body::Replay(_) => "replay",
        Body::Control(Control::Adopted { .. }) => "adoption",
        Body::Control(Control::Cleaned { .. }) => "sweep",
        Body::Control(Control::Plugins { .. }) => "swap",
        Body::Control(Control::Paused { .. }) => "pause",
        Body::Control(Control::Resumed { .. }) => "resumption",
        Body::Control(_) => "control",
    }
}

pub struct Truth {
    rules: Rules,
    pub state: LogState,
    states: BTreeMap<Sequence, LogState>,
    pub accepted: Vec<Entry>,
    /// Rows that the table must have, and who made them.
    pub rows: BTreeMap<Row, Attempt>,
    /// Messages that were accepted and not skipped.
    pub processed: BTreeSet<Row>,
    /// The same by the topics that they are of, whatever the log says about those.
    messages: BTreeSet<(usize, i32, Offset)>,
    sums: BTreeMap<i32, i64>,
    /// Plugins that processed the messages of the present epoch.
    made: BTreeMap<(i32, Offset), Vec<PluginUse>>,
}

impl Truth {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            state: LogState::default(),
            states: BTreeMap::new(),
            accepted: Vec::new(),
            rows: BTreeMap::new(),
            processed: BTreeSet::new(),
            messages: BTreeSet::new(),
            sums: BTreeMap::new(),
            made: BTreeMap::new(),
        }
    }

    /// An entry has landed in `slot`; true if it is accepted and changes tables. One that does not continue the
    /// log is a zombie's.
    pub fn landed(
        &mut self,
        slot: Sequence,
        bytes: &Bytes,
        source: &Source,
        happened: &mut Happened,
    ) -> Result<bool, Violation> {
        if slot != self.state.sequence() + 1 {
            return Ok(false);
        }
        let Ok(folded) = self.state.fold(bytes, &self.rules) else { return Ok(false) };
        if let Some(before) = self.states.get(&(slot - 1)) {
            invariants::topic_watermarks_rise(before, &self.state)?;
        }
        self.states.insert(slot, self.state.clone());
        let Folded::Accepted(entry) = folded else { return Ok(false) };
        happened.count(kind_of(&entry.body));
        match &entry.body {
            Body::Data(data) => {
                self.expect(data);
                self.check_versions(data, source)?;
                if data.plugins != self.state.plugins() {
                    happened.count("rows of the version before");
                }
            }
            Body::Control(Control::Adopted { .. }) => self.made.clear(),
            Body::Replay(replay) => self.expect_replay(replay),
            Body::Replace(_) | Body::Control(_) => {}
        }
        self.accepted.push(entry);
        invariants::history_is_sound(&self.accepted)?;
        match self.accepted.last().map(|entry| entry.body.clone()) {
            Some(Body::Data(data)) => self.check_messages(slot, &data, source).map(|()| true),
            Some(Body::Control(_)) | None => Ok(false),
            Some(_) => Ok(true),
        }
    }

    /// Messages are of the topic that the log is bound to, and each is accepted once.
    fn check_messages(&mut self, sequence: Sequence, data: &Data, source: &Source) -> Result<(), Violation> {
        let Some(topic) = data.counters.get("t").and_then(|counters| source.attempts[&counters.r#in]) else {
            return Ok(());
        };
        let expected = self.state.source().and_then(|bound| bound.topics.get("t"));
        let found = source::id(topic);
        for ConsumedRange { partition, range, .. } in
            data.ranges.iter().filter(|range| range.skipped.is_none())
        {
            if expected != Some(&found) {
                return Err(Violation::TopicMixed { sequence, expected: expected.cloned(), found });
            }
            for offset in range.start..range.end {
                if !self.messages.insert((topic, partition.partition, offset)) {
                    return Err(Violation::MessageTwice { sequence, partition: partition.clone(), offset });
                }
            }
        }
        Ok(())
    }

    /// The log names who processed the messages of the entry.
    fn check_versions(&mut self, data: &Data, source: &Source) -> Result<(), Violation> {
        let Some(plugins) = data.counters.get("t").and_then(|counters| source.made_by.get(&counters.r#in))
        else {
            return Ok(());
        };
        let mut messages = Vec::new();
        for ConsumedRange { partition, range, .. } in
            data.ranges.iter().filter(|range| range.skipped.is_none())
        {
            messages.extend((range.start..range.end).map(|offset| (partition.partition, offset)));
        }
        self.made.extend(messages.iter().map(|message| (*message, plugins.clone())));
        self.check_made(messages.iter().map(|message| (message, plugins)))
    }

    /// It still does of all messages of the present epoch.
    pub fn check_all_versions(&self) -> Result<(), Violation> {
        self.check_made(&self.made)
    }

    fn check_made<'a>(
        &self,
        made: impl IntoIterator<Item = (&'a (i32, Offset), &'a Vec<PluginUse>)>,
    ) -> Result<(), Violation> {
        let made: Vec<_> = made.into_iter().collect();
        // Of more versions the log keeps no more.
        let is_known = |step: &&&str| self.state.versions(STREAM, step).len() < VERSIONS_MAX;
        STEPS.iter().filter(is_known).try_for_each(|step| {
            let of_step = made.iter().map(|((number, offset), plugins)| {
                let used = plugins.iter().find(|used| used.step == *step);
                (partition(*number), *offset, used.map(|used| used.plugin))
            });
            invariants::versions_are_named(&self.state, STREAM, step, of_step)
        })
    }

    fn expect_replay(&mut self, replay: &Replay) {
        let attempt = replay.counters.r#in;
        for ReplayedRange { partition, range, epoch, .. } in &replay.ranges {
            for offset in range.start..range.end {
                let row = Row { partition: partition.clone(), epoch: *epoch, offset };
                match self.processed.contains(&row) && is_kept(offset, attempt) {
                    true => self.rows.insert(row, attempt),
                    false => self.rows.remove(&row),
                };
            }
        }
    }

    fn expect(&mut self, data: &Data) {
        let attempt = data.counters.get("t").map_or(0, |counters| counters.r#in);
        let epoch = self.state.epoch("t");
        for consumed in data.ranges.iter().filter(|consumed| consumed.skipped.is_none()) {
            let partition = &consumed.partition;
            for offset in consumed.range.start..consumed.range.end {
                let row = Row { partition: partition.clone(), epoch, offset };
                self.processed.insert(row.clone());
                if has_state(partition.partition) {
                    *self.sums.entry(partition.partition).or_default() += offset;
                }
                if is_kept(offset, attempt) {
                    self.rows.insert(row, attempt);
                }
            }
        }
    }

    /// Live files are there and hold what the accepted offsets make.
    pub fn check_files(&self, store: &Store, now: u64) -> Result<(), Violation> {
        let exists = |path: &str| store.files.contains_key(path);
        invariants::live_files_exist(&self.state, exists)?;
        invariants::replaced_files_exist(&self.state, kept_since(now), exists)?;
        let live = self.state.files().get(TABLE).into_iter().flat_map(BTreeMap::keys);
        let rows = live.flat_map(|path| store.rows(path).unwrap_or_default()).map(StoredRow::named);
        invariants::rows_exactly_once(TABLE, &self.rows, rows)?;
        self.sums.iter().try_for_each(|(task, sum)| self.check_sum(*task, *sum, store))
    }

    /// True if a file that some view named need not be there any more.
    pub fn may_be_gone(&self, path: &str, now: u64) -> bool {
        let kept = |at_us: &i64| *at_us >= kept_since(now);
        !self.state.is_live(path) && !self.state.replaced().get(path).is_some_and(kept)
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
