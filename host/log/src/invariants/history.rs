//! The accepted entries of a log against what each of them may do. Written without the code that decides about
//! acceptance, so that one checks the other.

use std::collections::{BTreeMap, BTreeSet};

use millstream_model::entry::{
    Body, Control, Data, Entry, PluginChange, PluginUse, Replay, Sequence, SessionId,
};
use millstream_model::{Offset, TopicPartition};

use super::Violation;

/// The accepted entries of a log, from its first one: each does only what it may.
pub fn history_is_sound(entries: &[Entry]) -> Result<(), Violation> {
    let mut history = History::default();
    entries.iter().try_for_each(|entry| history.next(entry))
}

/// The last change of a stream's plugins.
struct Change<'a> {
    topic: &'a str,
    at: Sequence,
    before: BTreeSet<&'a PluginUse>,
}

fn set_of<'a>(plugins: &'a [PluginUse], stream: &str) -> BTreeSet<&'a PluginUse> {
    plugins.iter().filter(|used| used.stream == stream).collect()
}

/// What [`history_is_sound`] remembers.
#[derive(Default)]
struct History<'a> {
    open: BTreeSet<&'a SessionId>,
    source: Option<&'a str>,
    plugins: &'a [PluginUse],
    changes: BTreeMap<&'a str, Change<'a>>,
    /// Last entry of plugins.
    last_change: Option<Sequence>,
    /// Entries that processed messages of a partition last.
    processed: BTreeMap<&'a TopicPartition, Sequence>,
    /// Steps for whose circuits streams are paused, if that is why.
    paused: BTreeMap<&'a str, Option<&'a str>>,
    ends: BTreeMap<&'a TopicPartition, Offset>,
    watermarks: BTreeMap<&'a TopicPartition, i64>,
    boundary: Sequence,
}

impl<'a> History<'a> {
    fn next(&mut self, entry: &'a Entry) -> Result<(), Violation> {
        let sequence = entry.sequence;
        if let Body::Control(Control::SessionOpened { session, .. }) = &entry.body {
            self.open.insert(session);
        }
        if !self.open.contains(&entry.session) {
            return Err(Violation::WriterNotOpen { sequence, session: entry.session.clone() });
        }
        match &entry.body {
            Body::Data(data) => self.next_data(entry, data),
            Body::Control(control) => self.next_control(sequence, control),
            Body::Replace(_) => Ok(()),
            Body::Replay(replay) => self.next_replay(sequence, replay),
        }
    }

    fn next_data(&mut self, entry: &Entry, data: &'a Data) -> Result<(), Violation> {
        let sequence = entry.sequence;
        let bound = *self.source.get_or_insert(&data.source);
        if bound != data.source {
            let (bound, found) = (bound.to_owned(), data.source.clone());
            return Err(Violation::SourceMixed { sequence, bound, found });
        }
        for consumed in &data.ranges {
            let (partition, range) = (&consumed.partition, consumed.range);
            let expected = self.ends.insert(partition, range.end).unwrap_or(0);
            if range.start != expected {
                let (partition, found) = (partition.clone(), range.start);
                return Err(Violation::RangeGap { sequence, partition, expected, found });
            }
        }
        for watermark in &data.watermarks {
            let last = self.watermarks.insert(&watermark.partition, watermark.micros);
            if last.is_some_and(|last| watermark.micros < last) {
                return Err(Violation::WatermarkBack { sequence, partition: watermark.partition.clone() });
            }
        }
        match entry.format < 3 {
            true => self.all_desired(sequence, &data.plugins)?,
            false => self.next_generations(sequence, data)?,
        }
        let processed = data.ranges.iter().filter(|consumed| consumed.skipped.is_none());
        self.processed.extend(processed.map(|consumed| (&consumed.partition, sequence)));
        Ok(())
    }

    fn all_desired(&self, sequence: Sequence, used: &[PluginUse]) -> Result<(), Violation> {
        match used.iter().all(|used| self.plugins.contains(used)) {
            true => Ok(()),
            false => Err(Violation::PluginNotInForce { sequence }),
        }
    }

    /// Plugins of a stream are those in force. Those before have the messages of a partition that were on their
    /// way at the change, which is at most one range.
    fn next_generations(&self, sequence: Sequence, data: &Data) -> Result<(), Violation> {
        let not_in_force = Err(Violation::PluginNotInForce { sequence });
        for used in data.plugins.iter().filter(|used| !self.plugins.contains(used)) {
            let is_former = |change: &Change| change.before.contains(used);
            if !self.changes.get(&*used.stream).is_some_and(is_former) {
                return not_in_force;
            }
        }
        for (stream, change) in &self.changes {
            let of_topic = |of: &&TopicPartition| *of.topic == *change.topic;
            let processed = data.ranges.iter().filter(|consumed| consumed.skipped.is_none());
            let moved: Vec<_> = processed.map(|consumed| &consumed.partition).filter(of_topic).collect();
            let used = set_of(&data.plugins, stream);
            let was_first =
                |of: &&TopicPartition| self.processed.get(of).is_none_or(|last| *last < change.at);
            let is_former = used == change.before && !moved.is_empty() && moved.iter().all(was_first);
            let is_present = used == set_of(self.plugins, stream)
                || (moved.is_empty() && used.is_subset(&set_of(self.plugins, stream)));
            if !is_former && !is_present {
                return not_in_force;
            }
        }
        Ok(())
    }

    fn next_desired(
        &mut self,
        sequence: Sequence,
        desired: &'a [PluginUse],
        change: Option<&'a PluginChange>,
    ) {
        self.last_change = Some(sequence);
        for (stream, topic) in change.into_iter().flat_map(|change| &change.topics) {
            let known = self.changes.get(stream.as_str()).is_some_and(|change| change.topic == *topic);
            if !known {
                let before = set_of(self.plugins, stream);
                self.changes.insert(stream, Change { topic, at: sequence, before });
            }
        }
        for (stream, change) in &mut self.changes {
            let before = set_of(self.plugins, stream);
            if before != set_of(desired, stream) {
                (change.at, change.before) = (sequence, before);
            }
        }
        let of_step = |plugins: &[PluginUse], stream: &str, step: &str| {
            plugins.iter().find(|used| used.stream == stream && used.step == step).cloned()
        };
        let before = std::mem::replace(&mut self.plugins, desired);
        let is_same =
            |stream: &str, step: &str| of_step(before, stream, step) == of_step(desired, stream, step);
        self.paused.retain(|stream, step| step.is_none_or(|step| is_same(stream, step)));
    }

    fn next_replay(&mut self, sequence: Sequence, replay: &'a Replay) -> Result<(), Violation> {
        for replayed in &replay.ranges {
            let (partition, found) = (&replayed.partition, replayed.range.end);
            let expected = self.ends.get(partition).copied().unwrap_or(0);
            if found > expected {
                return Err(Violation::RangeGap { sequence, partition: partition.clone(), expected, found });
            }
        }
        self.all_desired(sequence, &replay.plugins)
    }

    fn next_control(&mut self, sequence: Sequence, control: &'a Control) -> Result<(), Violation> {
        match control {
            Control::SessionClosed { session } => {
                self.open.remove(session);
            }
            Control::SourceBound { source, .. } => {
                self.source.get_or_insert(source);
            }
            Control::Plugins { desired, change } => {
                if change.as_ref().is_some_and(|change| change.parent != self.last_change) {
                    return Err(Violation::ChangeUndone { sequence });
                }
                self.next_desired(sequence, desired, change.as_ref());
            }
            Control::Paused { stream, step, .. } => {
                self.paused.insert(stream, step.as_deref());
            }
            Control::Resumed { stream } => {
                if self.paused.remove(stream.as_str()).is_none() {
                    return Err(Violation::NotPaused { sequence, stream: stream.clone() });
                }
            }
            Control::Retention { boundary } => {
                let last = std::mem::replace(&mut self.boundary, *boundary);
                if *boundary <= last {
                    return Err(Violation::BoundaryBack { sequence, last, found: *boundary });
                }
            }
            Control::Adopted { source, restart, .. } => {
                self.source = Some(source);
                self.ends.retain(|partition, _| !restart.contains(&*partition.topic));
                self.watermarks.retain(|partition, _| !restart.contains(&*partition.topic));
                self.processed.retain(|partition, _| !restart.contains(&*partition.topic));
            }
            Control::SessionOpened { .. }
            | Control::Configured { .. }
            | Control::Cleaned { .. }
            | Control::Upgraded { .. } => {}
        }
        Ok(())
    }
}
