//! What a replay would do: which messages it is of, where they come from, and which files of which tables hold
//! rows of them. Made from the log's state and the columns that say which message a row is of; nothing is
//! written.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;
use millstream_log::LogState;
use millstream_model::entry::{DataFile, PluginUse};
use millstream_model::{Offset, OffsetRange, TopicPartition, columns};
use object_store::ObjectStore;

use super::offsets::Offsets;
use super::scope::{Messages, PLACE, Places, Scope};
use super::{LetterChoice, ReplayError, Wanted};
use crate::dead_letter::{self, Letters};
use crate::plan::StreamPlan;
use crate::sink::read;

/// Rows that are looked at at a time.
const BATCH_ROWS: usize = 8192;

/// What a replay would do, as the log stands.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The stream.
    pub stream: String,
    /// The plugins it would use: those that the log desires.
    pub plugins: Vec<PluginUse>,
    /// Partitions that have messages to be replayed.
    pub partitions: Vec<PartitionSurvey>,
    /// Tables that have rows of these messages.
    pub tables: Vec<TableSurvey>,
    /// Dead letters that would be processed again, by reason; none in a replay of ranges.
    pub letters: BTreeMap<String, u64>,
    /// Letters that match and are of an earlier life of the topic, whose offsets mean other messages now.
    pub outlived: u64,
    pub(super) scope: Scope,
    /// Messages that were processed, which are those that the raw table has: what was passed over is not.
    pub(super) processed: BTreeMap<i32, Offsets>,
    /// Messages that are dead letters now: their bytes are in the dead-letter table.
    pub(super) dead: BTreeSet<(i32, Offset)>,
}

/// Messages of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionSurvey {
    /// The partition.
    pub partition: TopicPartition,
    /// From the first message to behind the last; with gaps where single messages are replayed.
    pub range: OffsetRange,
    /// Messages.
    pub messages: u64,
    /// Where those come from that the source is not asked for.
    pub from_lake: OffsetRange,
}

/// Files of one table that hold rows of the messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSurvey {
    /// The table.
    pub table: String,
    /// Rows of the messages.
    pub rows_replaced: u64,
    /// Other rows of these files, which stay.
    pub rows_kept: u64,
    /// The files.
    pub files: Vec<DataFile>,
}

impl Survey {
    /// Messages that would be processed.
    pub fn messages(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.messages).sum()
    }

    /// True if there is nothing to do. Rows of messages that the raw table does not have are never touched.
    pub fn is_empty(&self) -> bool {
        self.messages() == 0
    }

    /// Makes the survey of what is wanted, as `state` stands. Everything is to come from the lake.
    pub(super) async fn make(
        plan: &StreamPlan,
        wanted: &Wanted,
        state: &LogState,
        store: &Arc<dyn ObjectStore>,
    ) -> Result<Self, ReplayError> {
        let surveyor = Surveyor { plan, state, store };
        let mut survey = Self {
            stream: plan.name.to_string(),
            plugins: plan.plugins(),
            partitions: Vec::new(),
            tables: Vec::new(),
            letters: BTreeMap::new(),
            outlived: 0,
            scope: surveyor.scope(BTreeMap::new()),
            processed: BTreeMap::new(),
            dead: BTreeSet::new(),
        };
        match wanted {
            Wanted::Offsets(ranges) => survey.scope.partitions = surveyor.accepted(ranges)?,
            Wanted::Times { from_us, to_us, partition } => {
                survey.scope.partitions = surveyor
                    .sent(&(from_us.unwrap_or(i64::MIN)..to_us.unwrap_or(i64::MAX)), *partition)
                    .await?;
            }
            Wanted::Letters(choice) => surveyor.find_letters(choice, &mut survey).await?,
        }
        if !survey.scope.is_empty() {
            surveyor.find_messages(&mut survey).await?;
            surveyor.find_tables(&mut survey).await?;
        }
        Ok(survey)
    }
}

struct Surveyor<'a> {
    plan: &'a StreamPlan,
    state: &'a LogState,
    store: &'a Arc<dyn ObjectStore>,
}

impl Surveyor<'_> {
    fn scope(&self, partitions: BTreeMap<i32, Messages>) -> Scope {
        let topic = self.plan.topic.clone();
        Scope { epoch: self.state.epoch(&topic), topic, partitions }
    }

    /// How far each partition of the topic has been accepted.
    fn ends(&self) -> BTreeMap<i32, Offset> {
        let positions = self.state.positions().iter();
        let own = positions.filter(|(partition, _)| partition.topic == self.plan.topic);
        own.map(|(partition, position)| (partition.partition, position.offset)).collect()
    }

    /// Ranges, cut to what the log has accepted.
    fn accepted(&self, ranges: &[(i32, OffsetRange)]) -> Result<BTreeMap<i32, Messages>, ReplayError> {
        let ends = self.ends();
        let mut partitions = BTreeMap::new();
        for (number, range) in ranges {
            let Some(end) = ends.get(number) else {
                let known: Vec<_> =
                    ends.iter().map(|(number, end)| format!("{number} up to {end}")).collect();
                return Err(ReplayError::NoPartition {
                    partition: TopicPartition::new(self.plan.topic.clone(), *number),
                    known: if known.is_empty() { "nothing".to_owned() } else { known.join(", ") },
                });
            };
            let (start, end) = (range.start.max(0), range.end.min(*end));
            if start < end {
                let hull = OffsetRange::new(start, end);
                let merge = |messages: &mut Messages| *messages = Messages::Range(messages.hull().hull(hull));
                partitions.entry(*number).and_modify(merge).or_insert(Messages::Range(hull));
            }
        }
        Ok(partitions)
    }

    /// For each partition from the first message that was sent in `times` to behind the last. Where the source
    /// gives no times, event times count.
    async fn sent(
        &self,
        times: &Range<i64>,
        only: Option<i32>,
    ) -> Result<BTreeMap<i32, Messages>, ReplayError> {
        let mut all: Vec<_> =
            self.ends().into_iter().map(|(number, end)| (number, OffsetRange::new(0, end))).collect();
        all.retain(|(number, _)| only.is_none_or(|only| only == *number));
        if let (true, Some(only)) = (all.is_empty(), only) {
            all.push((only, OffsetRange::new(0, 0)));
        }
        let scope = self.scope(self.accepted(&all)?);
        let mut hulls: BTreeMap<i32, OffsetRange> = BTreeMap::new();
        let names = [&PLACE[..], &[columns::TIMESTAMP, columns::EVENT_TIME]].concat();
        for file in self.raw_files(&scope) {
            for rows in read::columns(self.store, file, &names, BATCH_ROWS).await? {
                let rows = rows?;
                let (Some(covers), Some(places)) = (scope.covers(&rows), Places::of(&rows)) else { continue };
                for row in (0..rows.num_rows()).filter(|row| covers.value(*row)) {
                    if sent_at(&rows, row).is_some_and(|time| times.contains(&time)) {
                        let offset = places.offsets.value(row);
                        let range = OffsetRange::new(offset, offset + 1);
                        let hull = hulls.entry(places.partitions.value(row)).or_insert(range);
                        *hull = hull.hull(range);
                    }
                }
            }
        }
        Ok(hulls.into_iter().map(|(number, hull)| (number, Messages::Range(hull))).collect())
    }

    /// Raw files that may hold messages of the scope.
    fn raw_files(&self, scope: &Scope) -> impl Iterator<Item = &DataFile> {
        let files = self.state.files().get(&self.plan.raw.name).into_iter().flat_map(BTreeMap::values);
        files.filter(|file| scope.may_be_in(file))
    }

    /// The letters of the stream that `choice` takes.
    async fn find_letters(&self, choice: &LetterChoice, survey: &mut Survey) -> Result<(), ReplayError> {
        let mut chosen: BTreeMap<i32, BTreeSet<Offset>> = BTreeMap::new();
        let files = self.state.files().get(dead_letter::TABLE).into_iter().flat_map(BTreeMap::values);
        for file in files {
            for rows in read::batches(self.store, file).await? {
                let rows = rows?;
                let letters = Letters::new(&rows)
                    .map_err(|source| ReplayError::Rows { path: file.path.clone(), source })?;
                let own = letters.iter().filter(|letter| *letter.stream == *self.plan.name);
                for letter in own.filter(|letter| choice(letter)) {
                    if file.epoch != survey.scope.epoch || *letter.topic != *self.plan.topic {
                        survey.outlived += 1;
                        continue;
                    }
                    *survey.letters.entry(letter.reason.to_owned()).or_default() += 1;
                    chosen.entry(letter.partition).or_default().insert(letter.offset);
                }
            }
        }
        let single = |(number, offsets)| (number, Messages::Single(offsets));
        survey.scope.partitions = chosen.into_iter().map(single).collect();
        Ok(())
    }

    /// Counts the messages, and notes those that are dead letters.
    async fn find_messages(&self, survey: &mut Survey) -> Result<(), ReplayError> {
        let scope = &survey.scope;
        let letters = self.state.files().get(dead_letter::TABLE).into_iter().flat_map(BTreeMap::values);
        for file in letters.filter(|file| scope.may_be_in(file)) {
            self.each_inside(scope, file, |partition, offset| {
                survey.dead.insert((partition, offset));
            })
            .await?;
        }
        let processed = &mut survey.processed;
        for file in self.raw_files(scope) {
            self.each_inside(scope, file, |partition, offset| {
                processed.entry(partition).or_default().insert(offset);
            })
            .await?;
        }
        let of_partition = |(number, messages): (&i32, &Messages)| PartitionSurvey {
            partition: scope.partition(*number),
            range: messages.hull(),
            messages: processed.get(number).map_or(0, |offsets| offsets.count(messages.hull())),
            from_lake: messages.hull(),
        };
        survey.partitions = scope.partitions.iter().map(of_partition).collect();
        Ok(())
    }

    /// Finds the files that hold rows of the messages, raw ones left out. Tables of routes that are configured
    /// no more are looked at, too.
    async fn find_tables(&self, survey: &mut Survey) -> Result<(), ReplayError> {
        for (table, files) in self.state.files().iter().filter(|(table, _)| !table.starts_with("raw.")) {
            let mut found =
                TableSurvey { table: table.clone(), rows_replaced: 0, rows_kept: 0, files: Vec::new() };
            for file in files.values().filter(|file| survey.scope.may_be_in(file)) {
                let mut inside = 0;
                self.each_inside(&survey.scope, file, |_, _| inside += 1).await?;
                if inside > 0 {
                    found.rows_replaced += inside;
                    found.rows_kept += file.rows.saturating_sub(inside);
                    found.files.push(file.clone());
                }
            }
            if !found.files.is_empty() {
                survey.tables.push(found);
            }
        }
        Ok(())
    }

    /// Gives partition and offset of each row of `file` that is of the scope.
    async fn each_inside(
        &self,
        scope: &Scope,
        file: &DataFile,
        mut take: impl FnMut(i32, Offset),
    ) -> Result<(), ReplayError> {
        for rows in read::columns(self.store, file, &PLACE, BATCH_ROWS).await? {
            let rows = rows?;
            let (Some(covers), Some(places)) = (scope.covers(&rows), Places::of(&rows)) else { continue };
            for row in (0..rows.num_rows()).filter(|row| covers.value(*row)) {
                take(places.partitions.value(row), places.offsets.value(row));
            }
        }
        Ok(())
    }
}

/// When the message of a raw row was sent, as well as that is known.
fn sent_at(rows: &RecordBatch, row: usize) -> Option<i64> {
    let time = |name| {
        let times: &TimestampMicrosecondArray =
            rows.column_by_name(name)?.as_primitive_opt::<TimestampMicrosecondType>()?;
        times.is_valid(row).then(|| times.value(row))
    };
    time(columns::TIMESTAMP).or_else(|| time(columns::EVENT_TIME))
}
