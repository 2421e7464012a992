//! The one decision which entries are accepted, for writers before they put and for readers after.
//! Everything it looks at is in the entry and the state before it, so all come to the same verdict.

use std::collections::{BTreeMap, BTreeSet};

use millstream_model::entry::{
    Body, Control, Data, DataFile, Entry, FORMAT, PluginUse, Replace, Replay, ReplayedRange, Sequence,
    SessionId,
};
use millstream_model::{Offset, OffsetRange, TopicPartition};

use crate::rejection::Rejection;
use crate::rules::{Rule, Rules};
use crate::state::{LogState, session_of};

impl LogState {
    /// Says whether `entry` may stand behind this state. Its place in the chain is not looked at.
    pub fn check(&self, entry: &Entry, rules: &Rules) -> Result<(), Rejection> {
        if let Body::Control(Control::SessionOpened { session, .. }) = &entry.body {
            return self.check_opening(&entry.session, session);
        }
        if rules.has(Rule::WriterOpen) && !self.is_open(&entry.session) {
            return Err(Rejection::WriterNotOpen { session: entry.session.clone() });
        }
        match &entry.body {
            Body::Data(data) => self.check_data(entry, data, rules),
            Body::Replace(replace) => self.check_replace(replace, rules),
            Body::Replay(replay) => self.check_replay(replay, rules),
            Body::Control(control) => self.check_control(control, rules),
        }
    }

    fn check_opening(&self, writer: &SessionId, opened: &SessionId) -> Result<(), Rejection> {
        if writer != opened {
            let (writer, opened) = (writer.clone(), opened.clone());
            return Err(Rejection::SessionOpenedByOther { writer, opened });
        }
        match self.sessions.contains_key(opened) {
            true => Err(Rejection::SessionKnown { session: opened.clone() }),
            false => Ok(()),
        }
    }

    fn check_data(&self, entry: &Entry, data: &Data, rules: &Rules) -> Result<(), Rejection> {
        if rules.has(Rule::SourceIdentity) {
            self.check_source(&data.source)?;
        }
        self.check_ranges(data, rules)?;
        if rules.has(Rule::OneTaskPerFile) {
            check_tasks(data)?;
        }
        if rules.has(Rule::RowsOfRange) {
            check_offsets(data)?;
        }
        self.check_added(&data.files, rules)?;
        if rules.has(Rule::TopicEpoch) {
            self.check_epochs(&data.files)?;
        }
        self.check_states(data, rules)?;
        if rules.has(Rule::WatermarksRise) {
            self.check_watermarks(data)?;
        }
        if rules.has(Rule::PluginsDesired) {
            self.check_generations(entry, data, rules)?;
        }
        Ok(())
    }

    fn check_source(&self, found: &str) -> Result<(), Rejection> {
        match &self.source {
            None => Err(Rejection::SourceUnbound { found: found.to_owned() }),
            Some(bound) if bound.source != found => {
                Err(Rejection::OtherSource { bound: bound.source.clone(), found: found.to_owned() })
            }
            Some(_) => Ok(()),
        }
    }

    /// Several ranges of one partition in an entry follow each other, as a skipped one and the rest.
    fn check_ranges(&self, data: &Data, rules: &Rules) -> Result<(), Rejection> {
        let mut ends: BTreeMap<&TopicPartition, Offset> = BTreeMap::new();
        for consumed in &data.ranges {
            let (partition, range) = (&consumed.partition, consumed.range);
            // Where a partition begins may be noted before anything of it is read.
            let is_beginning = consumed.skipped.is_some() && range.start == range.end;
            if range.is_empty() && !is_beginning {
                return Err(Rejection::RangeEmpty { partition: partition.clone(), range });
            }
            let end = ends.entry(partition).or_insert_with(|| self.position(partition).offset);
            if rules.has(Rule::ContiguousRanges) && range.start != *end {
                return Err(Rejection::NotContiguous {
                    partition: partition.clone(),
                    expected: *end,
                    found: range.start,
                });
            }
            *end = range.end;
        }
        Ok(())
    }

    fn check_added(&self, files: &[DataFile], rules: &Rules) -> Result<(), Rejection> {
        let mut paths = BTreeSet::new();
        for file in files {
            self.check_session(&file.path, &file.session, rules)?;
            let is_live = self.files.get(&file.table).is_some_and(|files| files.contains_key(&file.path));
            if !paths.insert(&file.path) || is_live || self.replaced.contains_key(&file.path) {
                return Err(Rejection::FileKnown { table: file.table.clone(), path: file.path.clone() });
            }
        }
        Ok(())
    }

    /// Rows that are made now are of the topics as they are now. Merged files may be older.
    fn check_epochs<'a>(&self, files: impl IntoIterator<Item = &'a DataFile>) -> Result<(), Rejection> {
        for file in files {
            let Some(topic) = topic_of(file) else { continue };
            let expected = self.epoch(topic);
            if file.epoch != expected {
                let (path, topic, found) = (file.path.clone(), topic.to_owned(), file.epoch);
                return Err(Rejection::OtherEpoch { path, topic, expected, found });
            }
        }
        Ok(())
    }

    fn check_session(&self, path: &str, session: &SessionId, rules: &Rules) -> Result<(), Rejection> {
        let (path, session) = (path.to_owned(), session.clone());
        if session_of(&path).as_ref() != Some(&session) {
            return Err(Rejection::FileMisnamed { path, session });
        }
        if rules.has(Rule::FileSessionOpen) && !self.is_open(&session) {
            return Err(Rejection::FileSessionNotOpen { path, session });
        }
        Ok(())
    }

    fn check_states(&self, data: &Data, rules: &Rules) -> Result<(), Rejection> {
        let mut heads = BTreeMap::new();
        for delta in &data.states {
            self.check_session(&delta.path, &delta.session, rules)?;
            let head = heads
                .entry((&delta.step, delta.task))
                .or_insert_with(|| self.state_head(&delta.step, delta.task));
            if rules.has(Rule::StateParent) && *head != delta.parent {
                return Err(Rejection::StateParent {
                    step: delta.step.clone(),
                    task: delta.task,
                    expected: *head,
                    found: delta.parent,
                });
            }
            *head = Some(delta.digest);
        }
        Ok(())
    }

    fn check_watermarks(&self, data: &Data) -> Result<(), Rejection> {
        for watermark in &data.watermarks {
            let (partition, found) = (watermark.partition.clone(), watermark.micros);
            match self.watermarks.get(&partition) {
                Some(&last) if found < last => {
                    return Err(Rejection::WatermarkBack { partition, last, found });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_replace(&self, replace: &Replace, rules: &Rules) -> Result<(), Rejection> {
        let gone = self.check_exchange(replace, rules)?;
        if rules.has(Rule::OffsetsKept) {
            check_offsets_kept(&gone, &replace.added)?;
        }
        let rows = |rows: u64, file: &DataFile| rows.saturating_add(file.rows);
        let removed = gone.iter().fold(0, |sum, file| rows(sum, file));
        let added = replace.added.iter().fold(0, rows);
        match removed == added || !rules.has(Rule::RemovedFilesLive) {
            true => Ok(()),
            false => Err(Rejection::RowsChanged { table: replace.table.clone(), removed, added }),
        }
    }

    /// Files of one table go and others come; returns those that go.
    fn check_exchange(&self, replace: &Replace, rules: &Rules) -> Result<Vec<&DataFile>, Rejection> {
        let table = &replace.table;
        if let Some(file) = replace.added.iter().find(|file| file.table != *table) {
            return Err(Rejection::FileOfOtherTable {
                table: table.clone(),
                found: file.table.clone(),
                path: file.path.clone(),
            });
        }
        self.check_added(&replace.added, rules)?;
        let live = self.files.get(table);
        let mut paths = BTreeSet::new();
        let mut gone = Vec::new();
        for path in &replace.removed {
            let file = live.and_then(|files| files.get(path)).filter(|_| paths.insert(path));
            match file {
                Some(file) => gone.push(file),
                None if rules.has(Rule::RemovedFilesLive) => {
                    return Err(Rejection::FileNotLive { table: table.clone(), path: path.clone() });
                }
                None => {}
            }
        }
        Ok(gone)
    }

    /// Messages may be replayed if they were accepted, no other replay came in between, and the files
    /// that hold their rows are still those that the replay read.
    fn check_replay(&self, replay: &Replay, rules: &Rules) -> Result<(), Rejection> {
        if replay.ranges.is_empty() {
            return Err(Rejection::ReplayOfNothing { stream: replay.stream.clone() });
        }
        for replayed in &replay.ranges {
            self.check_replayed(replayed, rules)?;
        }
        let mut tables = BTreeSet::new();
        for exchange in &replay.tables {
            if !tables.insert(&exchange.table) {
                return Err(Rejection::TableTwice { table: exchange.table.clone() });
            }
            let gone = self.check_exchange(exchange, rules)?;
            if rules.has(Rule::ReplayParent) {
                self.check_epochs(gone.into_iter().chain(&exchange.added))?;
            }
        }
        match rules.has(Rule::PluginsDesired) {
            true => self.check_plugins(&replay.plugins),
            false => Ok(()),
        }
    }

    fn check_replayed(&self, replayed: &ReplayedRange, rules: &Rules) -> Result<(), Rejection> {
        let ReplayedRange { partition, range, epoch, parent } = replayed;
        let partition = || partition.clone();
        if range.is_empty() {
            return Err(Rejection::RangeEmpty { partition: partition(), range: *range });
        }
        let stale =
            *parent != self.last_replay(&replayed.partition) || *epoch != self.epoch(&partition().topic);
        if rules.has(Rule::ReplayParent) && stale {
            return Err(Rejection::ReplayParent { partition: partition() });
        }
        let end = self.position(&replayed.partition).offset;
        match range.end <= end {
            true => Ok(()),
            false => Err(Rejection::NotAccepted { partition: partition(), range: *range, end }),
        }
    }

    fn check_control(&self, control: &Control, rules: &Rules) -> Result<(), Rejection> {
        match control {
            Control::SessionClosed { session } if !self.is_open(session) => {
                Err(Rejection::SessionNotOpen { session: session.clone() })
            }
            Control::SourceBound { source, topics } if rules.has(Rule::SourceIdentity) => {
                self.check_binding(source, topics)
            }
            Control::Plugins { desired, change: None } => check_steps(desired),
            Control::Plugins { desired, change: Some(change) } => {
                check_steps(desired)?;
                self.check_change(desired, change, rules)
            }
            Control::Paused { stream, step, .. } => self.check_pause(stream, step.as_deref()),
            Control::Resumed { stream } => self.check_resumption(stream),
            Control::Retention { boundary } => self.check_boundary(*boundary, rules),
            Control::Adopted { source, topics, restart } if rules.has(Rule::AdoptedOnce) => {
                self.check_adoption(source, topics, restart)
            }
            Control::Upgraded { format } if *format <= self.format || *format > FORMAT => {
                Err(Rejection::FormatNotRising { last: self.format, found: *format })
            }
            _ => Ok(()),
        }
    }

    fn check_binding(&self, source: &str, topics: &BTreeMap<String, String>) -> Result<(), Rejection> {
        let Some(bound) = &self.source else { return Ok(()) };
        self.check_source(source)?;
        let recreated = |(topic, id): &(&String, &String)| bound.topics.get(*topic).is_some_and(|b| b != *id);
        match topics.iter().find(recreated) {
            None => Ok(()),
            Some((topic, found)) => Err(Rejection::TopicRecreated {
                topic: topic.clone(),
                bound: bound.topics[topic].clone(),
                found: found.clone(),
            }),
        }
    }

    /// A topic begins again if it is another one than all before. Who adopts the same one once more, because the
    /// outcome was not known or somebody else was asked too, would have it read twice; also if the next one has
    /// been adopted meanwhile.
    fn check_adoption(
        &self,
        source: &str,
        topics: &BTreeMap<String, String>,
        restart: &BTreeSet<String>,
    ) -> Result<(), Rejection> {
        let Some(bound) = self.source.as_ref().filter(|bound| bound.source == source) else { return Ok(()) };
        let is_former =
            |topic: &str, id: &String| self.former_topics.get(topic).is_some_and(|ids| ids.contains(id));
        let is_same = |topic: &&String| {
            topics.get(*topic).is_none_or(|id| bound.topics.get(*topic) == Some(id) || is_former(topic, id))
        };
        match restart.iter().find(is_same) {
            None => Ok(()),
            Some(topic) => Err(Rejection::TopicKnown { topic: topic.clone() }),
        }
    }

    fn check_boundary(&self, found: Sequence, rules: &Rules) -> Result<(), Rejection> {
        if found > self.sequence() {
            return Err(Rejection::BoundaryPastHead { head: self.sequence(), found });
        }
        if rules.has(Rule::BoundaryRises) && found <= self.boundary() {
            return Err(Rejection::BoundaryNotRising { last: self.boundary(), found });
        }
        Ok(())
    }
}

/// Files hold rows of messages that the entry processes. Of files of format 1 it is not known.
fn check_offsets(data: &Data) -> Result<(), Rejection> {
    let mut processed = Hulls::new();
    for consumed in data.ranges.iter().filter(|consumed| consumed.skipped.is_none()) {
        widen(&mut processed, &consumed.partition, consumed.range);
    }
    let is_own = |file: &&DataFile| {
        holds(&processed, &file.offsets) && file.offsets.keys().all(|of| file.origin.as_ref() == Some(of))
    };
    match data.files.iter().find(|file| !is_own(file)) {
        None => Ok(()),
        Some(file) => Err(Rejection::FileOutsideRange { path: file.path.clone() }),
    }
}

/// Merged files say that they hold rows of all messages of which the files had rows that they replace, and of
/// the same topic and epoch. Of files of format 1 the messages are not known.
fn check_offsets_kept(gone: &[&DataFile], added: &[DataFile]) -> Result<(), Rejection> {
    let Some(first) = added.first() else { return Ok(()) };
    let all = || gone.iter().copied().chain(added);
    let topics: BTreeSet<_> = all().filter_map(topic_of).collect();
    let is_mixed = topics.len() > 1 || all().any(|file| file.epoch != first.epoch);
    let mut said = Hulls::new();
    for (partition, range) in added.iter().flat_map(|file| &file.offsets) {
        widen(&mut said, partition, *range);
    }
    let is_known = added.iter().all(|file| !file.offsets.is_empty());
    match gone.iter().find(|file| is_mixed || (is_known && !holds(&said, &file.offsets))) {
        None => Ok(()),
        Some(file) => Err(Rejection::OffsetsLost { path: file.path.clone() }),
    }
}

/// From the first message to behind the last, by partition.
type Hulls<'a> = BTreeMap<&'a TopicPartition, OffsetRange>;

fn widen<'a>(hulls: &mut Hulls<'a>, partition: &'a TopicPartition, range: OffsetRange) {
    let hull = hulls.entry(partition).or_insert(range);
    *hull = hull.hull(range);
}

fn holds(hulls: &Hulls, offsets: &BTreeMap<TopicPartition, OffsetRange>) -> bool {
    offsets.iter().all(|(partition, range)| {
        hulls.get(partition).is_some_and(|hull| hull.start <= range.start && range.end <= hull.end)
    })
}

fn topic_of(file: &DataFile) -> Option<&str> {
    file.offsets.keys().next().map(|partition| &*partition.topic)
}

/// Files hold rows of one processed partition, states are of a task that the entry moves.
fn check_tasks(data: &Data) -> Result<(), Rejection> {
    let processed: BTreeSet<_> =
        data.ranges.iter().filter(|r| r.skipped.is_none()).map(|r| &r.partition).collect();
    for DataFile { path, origin, .. } in &data.files {
        if !origin.as_ref().is_some_and(|origin| processed.contains(origin)) {
            return Err(Rejection::FileWithoutRange { path: path.clone(), origin: origin.clone() });
        }
    }
    let marked = data.watermarks.iter().map(|watermark| &watermark.partition);
    let tasks: BTreeSet<_> = processed.into_iter().chain(marked).map(|p| p.partition).collect();
    match data.states.iter().find(|delta| !tasks.contains(&delta.task)) {
        None => Ok(()),
        Some(delta) => Err(Rejection::StateWithoutRange { step: delta.step.clone(), task: delta.task }),
    }
}

fn check_steps(desired: &[PluginUse]) -> Result<(), Rejection> {
    let mut steps = BTreeSet::new();
    match desired.iter().find(|used| !steps.insert((&used.stream, &used.step))) {
        None => Ok(()),
        Some(used) => Err(Rejection::StepTwice { stream: used.stream.clone(), step: used.step.clone() }),
    }
}
