//! What an accepted entry does to the state. Nothing is decided here: the entry has been checked.

use std::collections::BTreeMap;

use millstream_model::TopicPartition;
use millstream_model::entry::{
    Body, ConsumedRange, Control, Data, DataFile, Entry, PluginChange, PluginUse, Position, Replace, Replay,
    StateDelta, Watermark,
};

use crate::handover::FORMAT_HANDOVER;
use crate::rules::{Rule, Rules};
use crate::state::{BoundSource, LogState, Session};
use crate::versions::Pause;

impl LogState {
    pub(crate) fn apply(&mut self, entry: &Entry, rules: &Rules) {
        match &entry.body {
            Body::Data(data) => self.apply_data(data, entry),
            Body::Replace(replace) => self.apply_replace(replace, entry.written_at_us),
            Body::Replay(replay) => self.apply_replay(replay, entry),
            Body::Control(control) => self.apply_control(control, entry, rules),
        }
        if let Some(session) = self.sessions.get_mut(&entry.session) {
            session.last_at_us = entry.written_at_us;
        }
    }

    fn apply_data(&mut self, data: &Data, entry: &Entry) {
        if entry.format >= FORMAT_HANDOVER {
            self.settle(data);
        }
        for ConsumedRange { partition, range, cursor, .. } in &data.ranges {
            self.positions.insert(partition.clone(), Position { offset: range.end, cursor: *cursor });
            self.writers.insert(partition.clone(), entry.session.clone());
        }
        data.files.iter().for_each(|file| self.add_file(file));
        data.states.iter().for_each(|delta| self.apply_state(delta));
        data.watermarks.iter().for_each(|watermark| self.apply_watermark(watermark));
        for watermark in &data.watermarks {
            self.raise_topic_watermark(&watermark.partition.topic);
        }
        for (stream, counters) in &data.counters {
            self.totals.entry(stream.clone()).or_default().add(counters);
        }
    }

    fn apply_watermark(&mut self, watermark: &Watermark) {
        let partition = watermark.partition.clone();
        match watermark.idle {
            true => self.idle.insert(partition.clone()),
            false => self.idle.remove(&partition),
        };
        self.watermarks.insert(partition, watermark.micros);
    }

    /// If all partitions are idle, none is waited for and the highest one counts.
    fn raise_topic_watermark(&mut self, topic: &str) {
        let marks = || self.watermarks.iter().filter(|(partition, _)| *partition.topic == *topic);
        let awake = marks().filter(|(partition, _)| !self.idle.contains(partition));
        let micros = awake.map(|(_, micros)| *micros).min();
        let Some(micros) = micros.or_else(|| marks().map(|(_, micros)| *micros).max()) else { return };
        let raised = self.topic_watermarks.entry(topic.to_owned()).or_insert(micros);
        *raised = micros.max(*raised);
    }

    fn apply_replace(&mut self, replace: &Replace, at_us: i64) {
        let files = self.files.entry(replace.table.clone()).or_default();
        for file in replace.removed.iter().filter_map(|path| files.remove(path)) {
            self.replaced.insert(file.path, at_us);
        }
        replace.added.iter().for_each(|file| self.add_file(file));
    }

    fn apply_replay(&mut self, replay: &Replay, entry: &Entry) {
        replay.tables.iter().for_each(|replace| self.apply_replace(replace, entry.written_at_us));
        for replayed in &replay.ranges {
            self.replayed.insert(replayed.partition.clone(), entry.sequence);
        }
        self.replay_totals.entry(replay.stream.clone()).or_default().add(&replay.counters);
    }

    fn apply_control(&mut self, control: &Control, entry: &Entry, rules: &Rules) {
        match control {
            Control::SessionOpened { session, worker, version } => {
                let opened = Session {
                    worker: worker.clone(),
                    version: version.clone(),
                    opened: entry.sequence,
                    opened_at_us: entry.written_at_us,
                    last_at_us: entry.written_at_us,
                    closed: None,
                };
                self.sessions.insert(session.clone(), opened);
            }
            Control::SessionClosed { session } => {
                if let Some(session) = self.sessions.get_mut(session) {
                    session.closed = Some(entry.sequence);
                }
            }
            Control::SourceBound { source, topics } => {
                let bound = self.source.get_or_insert_with(|| BoundSource {
                    source: source.clone(),
                    topics: Default::default(),
                });
                bound.topics.extend(topics.clone());
            }
            Control::Adopted { source, topics, restart } => {
                restart.iter().for_each(|topic| self.restart_topic(topic));
                self.adopt(source, topics);
                if !restart.is_empty() && rules.has(Rule::TopicEpoch) {
                    self.close_others(entry);
                }
            }
            Control::Plugins { desired, change } => self.apply_plugins(desired, change.as_ref(), entry),
            Control::Paused { stream, reason, step } => {
                let (reason, step) = (reason.clone(), step.clone());
                self.note_broken(stream);
                let pause = Pause { reason, step, sequence: entry.sequence, at_us: entry.written_at_us };
                self.paused.insert(stream.clone(), pause);
            }
            Control::Resumed { stream } => {
                self.note_broken(stream);
                self.paused.remove(stream);
            }
            Control::Configured { config } => self.config = Some(*config),
            Control::Retention { boundary } => self.boundary = *boundary,
            Control::Cleaned { paths } => {
                for path in paths {
                    self.replaced.remove(path);
                }
            }
            // The entry's own format says it. What is desired since an older one is a version from here on.
            Control::Upgraded { .. } if self.versions.is_empty() => {
                let desired = self.plugins.clone();
                self.note_versions(&desired, None, entry);
            }
            Control::Upgraded { .. } => {}
        }
    }

    fn adopt(&mut self, source: &str, topics: &BTreeMap<String, String>) {
        let before = self.source.take();
        if before.as_ref().is_none_or(|before| before.source != source) {
            self.former_topics.clear();
        }
        // Ids of another source say nothing of this one, whose topics may come later.
        let before = before.filter(|before| before.source == source);
        let mut bound = before.map(|before| before.topics).unwrap_or_default();
        bound.extend(topics.clone());
        self.source = Some(BoundSource { source: source.to_owned(), topics: bound });
    }

    /// Ranges do not say of which epoch they are, so whoever read the topic as it was must begin anew.
    fn close_others(&mut self, entry: &Entry) {
        let others = self.sessions.iter_mut().filter(|(session, _)| **session != entry.session);
        for (_, session) in others {
            session.closed.get_or_insert(entry.sequence);
        }
    }

    /// Forgets what is said in offsets of `topic`. Its watermark stays: that is a time.
    fn restart_topic(&mut self, topic: &str) {
        let other = |partition: &TopicPartition| *partition.topic != *topic;
        self.positions.retain(|partition, _| other(partition));
        self.writers.retain(|partition, _| other(partition));
        self.replayed.retain(|partition, _| other(partition));
        self.watermarks.retain(|partition, _| other(partition));
        self.idle.retain(other);
        self.restart_handovers(topic);
        *self.epochs.entry(topic.to_owned()).or_default() += 1;
        if let Some(id) = self.source.as_ref().and_then(|bound| bound.topics.get(topic)) {
            self.former_topics.entry(topic.to_owned()).or_default().insert(id.clone());
        }
    }

    fn apply_plugins(&mut self, desired: &[PluginUse], change: Option<&PluginChange>, entry: &Entry) {
        if entry.format >= FORMAT_HANDOVER {
            self.hand_over(desired, change);
            self.resume_changed(desired, change);
            self.note_versions(desired, change, entry);
            self.plugins_changed = Some(entry.sequence);
        }
        self.retired.extend(self.plugins.iter().map(|used| used.plugin));
        self.plugins = desired.to_vec();
        for used in desired {
            self.retired.remove(&used.plugin);
        }
    }

    fn apply_state(&mut self, delta: &StateDelta) {
        let files = self.states.entry(delta.step.clone()).or_default().entry(delta.task).or_default();
        if delta.snapshot {
            files.clear();
        }
        files.push(delta.clone());
    }

    fn add_file(&mut self, file: &DataFile) {
        self.files.entry(file.table.clone()).or_default().insert(file.path.clone(), file.clone());
    }
}
