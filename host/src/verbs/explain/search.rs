//! Finds the entries that concern a message, among those that are still there. Ranges of a partition rise from
//! entry to entry, so its entry is found by halving; replays of a partition each name the one before.

use std::collections::BTreeMap;

use millstream_model::entry::{Body, Control, Counters, DataFile, Entry, Epoch, PluginUse, Sequence};
use millstream_model::{Offset, OffsetRange, TopicPartition};
use millstream_pipeline::checkpoint::CheckpointLog;

use super::Life;

/// The entry that accounts for a message.
pub(super) struct Accounted {
    pub(super) entry: Entry,
    /// The range of the entry that holds the message.
    pub(super) range: OffsetRange,
    /// Why the range was passed over, if it was.
    pub(super) skipped: Option<String>,
}

/// A search in one log; entries that were read are kept.
pub(super) struct Search<'a> {
    log: &'a CheckpointLog,
    kept: Vec<Sequence>,
    read: BTreeMap<Sequence, Option<Entry>>,
}

impl<'a> Search<'a> {
    pub(super) async fn new(log: &'a CheckpointLog) -> anyhow::Result<Self> {
        let head = log.state().sequence();
        let mut kept = log.kept().await?;
        kept.retain(|sequence| *sequence <= head);
        Ok(Self { log, kept, read: BTreeMap::new() })
    }

    /// First entry that is still there.
    pub(super) fn first_kept(&self) -> Option<Sequence> {
        self.kept.first().copied()
    }

    /// The entry that accounts for the message, in each epoch of its topic.
    pub(super) async fn accounted(
        &mut self,
        partition: &TopicPartition,
        offset: Offset,
    ) -> anyhow::Result<Vec<(Epoch, Accounted)>> {
        let epoch = self.log.state().epoch(&partition.topic);
        if epoch == 0 {
            let found = self.halve(partition, offset).await?;
            return Ok(found.into_iter().map(|accounted| (0, accounted)).collect());
        }
        // Offsets began again somewhere, so they do not rise: from the head back, one by one.
        let mut found = Vec::new();
        let mut epoch = epoch;
        for at in (0..self.kept.len()).rev() {
            let Some(entry) = self.entry(self.kept[at]).await? else { continue };
            if let Body::Control(Control::Adopted { restart, .. }) = &entry.body
                && restart.contains(&*partition.topic)
            {
                epoch = epoch.saturating_sub(1);
            }
            if let Some(accounted) = holding(&entry, partition, offset) {
                found.push((epoch, accounted));
            }
        }
        Ok(found)
    }

    async fn halve(
        &mut self,
        partition: &TopicPartition,
        offset: Offset,
    ) -> anyhow::Result<Option<Accounted>> {
        let (mut low, mut high) = (0, self.kept.len());
        while low < high {
            let middle = low + (high - low) / 2;
            // The next entry, from the middle on, that moved the partition.
            let mut moved = None;
            for at in middle..high {
                let entry = self.entry(self.kept[at]).await?;
                if let Some(hull) = entry.as_ref().and_then(|entry| hull(entry, partition)) {
                    moved = entry.map(|entry| (at, entry, hull));
                    break;
                }
            }
            match moved {
                Some((_, entry, hull)) if hull.contains(offset) => {
                    return Ok(holding(&entry, partition, offset));
                }
                Some((at, _, hull)) if hull.end <= offset => low = at + 1,
                _ => high = middle,
            }
        }
        Ok(None)
    }

    /// Entries of the topic's epoch that replayed the message, the last one first.
    pub(super) async fn replays(
        &mut self,
        partition: &TopicPartition,
        offset: Offset,
    ) -> anyhow::Result<Vec<Entry>> {
        let mut replays = Vec::new();
        let mut next = self.log.state().last_replay(partition);
        while let Some(sequence) = next {
            let Some(entry) = self.entry(sequence).await? else { break };
            let Body::Replay(replay) = &entry.body else { break };
            let of_partition = || replay.ranges.iter().filter(|replayed| replayed.partition == *partition);
            next = of_partition().find_map(|replayed| replayed.parent);
            if of_partition().any(|replayed| replayed.range.contains(offset)) {
                replays.push(entry);
            }
        }
        Ok(replays)
    }

    /// The entry that named a file: one of those that are known, or one of the file's session.
    pub(super) async fn names(
        &mut self,
        file: &DataFile,
        accounted: Option<&Accounted>,
        replays: &[Entry],
    ) -> anyhow::Result<Option<Sequence>> {
        let known = replays.iter().chain(accounted.map(|accounted| &accounted.entry));
        if let Some(entry) = known.into_iter().find(|entry| adds(entry, file)) {
            return Ok(Some(entry.sequence));
        }
        let state = self.log.state();
        let session = state.sessions().get(&file.session);
        let opened = session.map_or(0, |session| session.opened);
        let closed = session.and_then(|session| session.closed).unwrap_or(state.sequence());
        let from = self.kept.partition_point(|sequence| *sequence < opened);
        for at in from..self.kept.len() {
            let sequence = self.kept[at];
            if sequence > closed {
                break;
            }
            if self.entry(sequence).await?.is_some_and(|entry| adds(&entry, file)) {
                return Ok(Some(sequence));
            }
        }
        Ok(None)
    }

    /// An entry that stands.
    async fn entry(&mut self, sequence: Sequence) -> anyhow::Result<Option<Entry>> {
        if self.log.passes_over(sequence) {
            return Ok(None);
        }
        if let Some(entry) = self.read.get(&sequence) {
            return Ok(entry.clone());
        }
        let entry = self.log.entry(sequence).await?;
        self.read.insert(sequence, entry.clone());
        Ok(entry)
    }
}

/// The positions of a partition that an entry accounts for.
fn hull(entry: &Entry, partition: &TopicPartition) -> Option<OffsetRange> {
    let Body::Data(data) = &entry.body else { return None };
    let ranges = data.ranges.iter().filter(|consumed| consumed.partition == *partition);
    ranges.map(|consumed| consumed.range).reduce(|hull, range| hull.hull(range))
}

fn holding(entry: &Entry, partition: &TopicPartition, offset: Offset) -> Option<Accounted> {
    let Body::Data(data) = &entry.body else { return None };
    let mut own = data.ranges.iter().filter(|consumed| consumed.partition == *partition);
    let found = own.find(|consumed| consumed.range.contains(offset))?;
    Some(Accounted { entry: entry.clone(), range: found.range, skipped: found.skipped.clone() })
}

fn adds(entry: &Entry, file: &DataFile) -> bool {
    let is_file = |added: &DataFile| added.path == file.path;
    match &entry.body {
        Body::Data(data) => data.files.iter().any(is_file),
        Body::Replace(replace) => replace.added.iter().any(is_file),
        Body::Replay(replay) => replay.tables.iter().flat_map(|table| &table.added).any(is_file),
        Body::Control(_) => false,
    }
}

impl Life {
    /// What became of the message, in a word.
    pub(super) fn fate(&self) -> &'static str {
        let has = |zone: fn(&str) -> bool| self.rows.iter().any(|row| zone(&row.table));
        if self.skipped().is_some() {
            "skipped"
        } else if has(|table| !table.starts_with("raw.") && table != millstream_pipeline::dead_letter::TABLE)
        {
            "out"
        } else if has(|table| table == millstream_pipeline::dead_letter::TABLE) {
            "dead"
        } else if self.made_by().is_none() {
            "unknown"
        } else if self.plugins().is_empty() {
            "raw only"
        } else {
            "dropped"
        }
    }

    /// Why its range was passed over, if it was.
    pub(super) fn skipped(&self) -> Option<&str> {
        self.accounted.as_ref().and_then(|accounted| accounted.skipped.as_deref())
    }

    /// The entry whose plugins made the rows of today: the last replay, or the one that accounts for it.
    pub(super) fn made_by(&self) -> Option<&Entry> {
        self.replays.first().or(self.accounted.as_ref().map(|accounted| &accounted.entry))
    }

    /// Its stream, as its raw row tells.
    fn stream(&self) -> Option<&str> {
        self.rows.iter().find_map(|row| row.table.strip_prefix("raw."))
    }

    /// The plugins that made its rows.
    pub(super) fn plugins(&self) -> Vec<&PluginUse> {
        let plugins = match self.made_by().map(|entry| &entry.body) {
            Some(Body::Data(data)) => &data.plugins[..],
            Some(Body::Replay(replay)) => &replay.plugins[..],
            _ => &[],
        };
        plugins.iter().filter(|used| self.stream().is_none_or(|stream| stream == used.stream)).collect()
    }

    /// What became of all messages of its stream in that entry.
    pub(super) fn counters(&self) -> Option<&Counters> {
        match &self.made_by()?.body {
            Body::Data(data) => data.counters.get(self.stream()?),
            Body::Replay(replay) => Some(&replay.counters),
            _ => None,
        }
    }
}
