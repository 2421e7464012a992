//! Which files belong together and which of them are merged next. The live files of the log go in, groups and
//! the files of one merge come out: no I/O, no clock, so that all of it can be tried out on made-up files.
//!
//! Files of one group are of one table, topic, epoch and day. While the day goes on they are merged by size, as
//! a log-structured merge tree does it in tiers: `files_min` files of about one size become one of the next, so
//! that a byte is written about once for each tier. Once the day is over, all that is below the target is merged,
//! but for a file that is many times larger than all the smaller ones: rewriting it for a few late rows costs
//! more than it gains.

use std::collections::BTreeMap;

use millstream_log::LogState;
use millstream_model::Offset;
use millstream_model::entry::{DataFile, Epoch};

use super::MergeSettings;
use crate::decode::iso8601;
use crate::sink::DAY;

/// A file is left out of a merge if it is so many times larger than all smaller ones together.
const IMBALANCE_MAX: u64 = 8;
/// Files of one merge: what an entry names stays small, and so does the work that a lost race costs.
const FILES_MAX: usize = 1000;
/// Where nothing is known of watermarks, a day is over if a later one has this part of its rows.
const LATER_ROWS_PART: u64 = 100;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Files that may be merged with each other, and how it is chosen which of them are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The table.
    pub table: String,
    /// Topic of their messages.
    pub topic: String,
    /// Day of event time; none for rows that have none.
    pub day: Option<String>,
    /// Files below the target size, in the order of their messages.
    pub files: Vec<DataFile>,
    rule: Rule,
}

/// Groups of a lake; at least two files in each.
pub type Groups = Vec<Group>;

/// Files of one table, topic and epoch by their day; none is where rows without an event time are.
type Days<'a> = BTreeMap<Option<&'a str>, Vec<&'a DataFile>>;

/// How the files of a merge are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// So many as a tier needs, of one tier.
    Tiers,
    /// All, but for those that are much larger than the others, if there are so many.
    Balanced(usize),
    /// All.
    Everything,
}

/// The groups of the topics that are `ours`.
pub fn groups(log: &LogState, settings: &MergeSettings, ours: impl Fn(&str) -> bool) -> Groups {
    let is_ours = |file: &&DataFile| topic_of(file).is_some_and(&ours);
    let files = log.files().values().flat_map(BTreeMap::values).filter(is_ours);
    group(files, settings, |topic| log.topic_watermark(topic))
}

/// The groups of one table or all, as they are merged by hand: every day counts as over, and no file is too
/// large for its neighbours.
pub fn groups_by_hand(log: &LogState, settings: &MergeSettings, table: Option<&str>) -> Groups {
    let mut groups = groups(log, settings, |_| true);
    groups.retain(|group| table.is_none_or(|table| group.table == table));
    groups.iter_mut().for_each(|group| group.rule = Rule::Everything);
    groups
}

fn group<'a>(
    files: impl Iterator<Item = &'a DataFile>,
    settings: &MergeSettings,
    watermark: impl Fn(&str) -> Option<i64>,
) -> Groups {
    let mut all: BTreeMap<(&str, &str, Epoch), Days<'_>> = BTreeMap::new();
    for file in files {
        let Some(topic) = topic_of(file) else { continue };
        let day = file.partition_values.get(DAY).and_then(Option::as_deref);
        all.entry((&file.table, topic, file.epoch)).or_default().entry(day).or_default().push(file);
    }
    let mut groups = Vec::new();
    for ((table, topic, _), days) in &all {
        for (day, files) in days {
            let small = files.iter().filter(|file| file.bytes < settings.target_bytes);
            let mut small: Vec<_> = small.map(|file| (*file).clone()).collect();
            if small.len() < 2 {
                continue;
            }
            small.sort_by(|a, b| place(a).cmp(&place(b)));
            let rule = match day {
                // It is never over, and few rows have no day.
                None => Rule::Balanced((settings.files_min / 2).max(2)),
                Some(day) if is_over(day, days, watermark(topic)) => Rule::Balanced(2),
                Some(_) => Rule::Tiers,
            };
            let (table, topic, day) = ((*table).to_owned(), (*topic).to_owned(), day.map(str::to_owned));
            groups.push(Group { table, topic, day, files: small, rule });
        }
    }
    groups
}

/// Topic of the messages that its rows are made of.
fn topic_of(file: &DataFile) -> Option<&str> {
    file.offsets.keys().next().or(file.origin.as_ref()).map(|partition| &*partition.topic)
}

/// Where its messages stand: files of one session are named in the order in which they were begun.
fn place(file: &DataFile) -> (i32, Offset, &str) {
    let first = file.offsets.first_key_value();
    let partition = first.map(|(partition, _)| partition).or(file.origin.as_ref());
    let offset = first.map_or(0, |(_, range)| range.start);
    (partition.map_or(0, |partition| partition.partition), offset, &file.path)
}

/// True if hardly any row of `day` will come. If it is wrong, some bytes are written once more.
fn is_over(day: &str, days: &Days<'_>, watermark_us: Option<i64>) -> bool {
    if let Some(watermark_us) = watermark_us {
        let days = iso8601::parse_date(day);
        return days.is_some_and(|days| (i64::from(days) + 1) * MICROS_PER_DAY <= watermark_us);
    }
    let rows = |files: &Vec<&DataFile>| files.iter().map(|file| file.rows).sum::<u64>();
    let later = days.range((std::ops::Bound::Excluded(Some(day)), std::ops::Bound::Unbounded));
    later.map(|(_, files)| rows(files)).sum::<u64>() >= (rows(&days[&Some(day)]) / LATER_ROWS_PART).max(1)
}

impl Group {
    /// The files to be merged next, in the order of their messages; none if all is well as it is. Only files
    /// of one form can be merged: `form_of` gives it where it is known, and others are taken for the first
    /// known one.
    pub(super) fn next_merge(
        &self,
        settings: &MergeSettings,
        form_of: impl Fn(&DataFile) -> Option<usize>,
    ) -> Option<Vec<DataFile>> {
        let first = self.files.iter().find_map(&form_of).unwrap_or_default();
        let mut forms: BTreeMap<usize, Vec<&DataFile>> = BTreeMap::new();
        for file in &self.files {
            forms.entry(form_of(file).unwrap_or(first)).or_default().push(file);
        }
        let mut chosen = forms.values().find_map(|files| match self.rule {
            Rule::Tiers => of_one_tier(files, settings),
            Rule::Balanced(files_min) => balanced(files, files_min),
            Rule::Everything => (files.len() >= 2).then(|| files.clone()),
        })?;
        chosen.sort_by(|a, b| place(a).cmp(&place(b)));
        let mut bytes = 0;
        let enough = chosen.iter().take(FILES_MAX).take_while(|file| {
            let wanted = bytes < settings.target_bytes;
            bytes += file.bytes;
            wanted
        });
        Some(enough.map(|file| (*file).clone()).collect())
    }

    /// Takes note of a merge: `removed` are gone, and `added` may be merged again if it is small.
    pub(super) fn merged(&mut self, removed: &[String], added: DataFile, settings: &MergeSettings) {
        self.files.retain(|file| !removed.contains(&file.path));
        if added.bytes < settings.target_bytes {
            self.files.push(added);
            self.files.sort_by(|a, b| place(a).cmp(&place(b)));
        }
    }
}

/// The files of the lowest tier that has enough.
fn of_one_tier<'a>(files: &[&'a DataFile], settings: &MergeSettings) -> Option<Vec<&'a DataFile>> {
    let mut tiers: BTreeMap<u32, Vec<&DataFile>> = BTreeMap::new();
    for file in files {
        tiers.entry(tier(file.bytes, settings)).or_default().push(file);
    }
    tiers.into_values().rev().find(|files| files.len() >= settings.files_min)
}

/// 0 for the last tier before the target, one more for each factor of `files_min` below it.
fn tier(bytes: u64, settings: &MergeSettings) -> u32 {
    let times = settings.target_bytes / bytes.max(1);
    times.max(1).ilog(settings.files_min.max(2) as u64)
}

/// All but those that are much larger than all smaller ones together.
fn balanced<'a>(files: &[&'a DataFile], files_min: usize) -> Option<Vec<&'a DataFile>> {
    let mut by_size = files.to_vec();
    by_size.sort_by_key(|file| file.bytes);
    let mut smaller: u64 = by_size.iter().map(|file| file.bytes).sum();
    while let Some(largest) = by_size.last() {
        smaller -= largest.bytes;
        if largest.bytes <= smaller.saturating_mul(IMBALANCE_MAX) {
            break;
        }
        by_size.pop();
    }
    (by_size.len() >= files_min.max(2)).then_some(by_size)
}

#[cfg(test)]
mod tests;
