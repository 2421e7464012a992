//! Which plugin a step ran from which entry and which offset on, as the log says it: what a rollback goes
//! back to, and what tells of any row who made it. Beside it the streams that nobody reads on with.

use std::collections::BTreeMap;

use millstream_model::entry::{ChangeCause, Entry, PluginChange, PluginName, PluginUse, Sequence};
use millstream_model::{Digest, Offset, TopicPartition};
use serde::{Deserialize, Serialize};

use crate::rejection::Rejection;
use crate::state::LogState;

/// Versions that are kept of each step; rollback reaches no further.
pub const VERSIONS_MAX: usize = 32;

/// A plugin with its configuration in the place of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepVersion {
    /// Digest of the plugin's bytes.
    pub plugin: Digest,
    /// Digest of its configuration.
    pub config: Digest,
    /// What the plugin calls itself; none if the entry is older than format 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<PluginName>,
    /// What it came from; none if the entry is older than format 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<ChangeCause>,
    /// Entry from which on it is desired.
    pub sequence: Sequence,
    /// When that was written, by its writer's clock, in microseconds since the epoch. For people.
    pub at_us: i64,
    /// True if its circuit opened and the stream was paused for it: it is no version to go back to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broke: bool,
    /// For each partition number of the stream's topic the offset of the first message that it made rows of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub from: BTreeMap<i32, Offset>,
    /// Where the step was taken out of the stream: for each partition the first offset that was processed
    /// without it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub until: BTreeMap<i32, Offset>,
}

impl StepVersion {
    /// True if this is the version that `used` names.
    pub fn is(&self, used: &PluginUse) -> bool {
        self.plugin == used.plugin && self.config == used.config
    }
}

/// A stream that is not read on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Why.
    pub reason: String,
    /// The step whose circuit opened, if that is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Entry that paused it.
    pub sequence: Sequence,
    /// When that was written, by its writer's clock, in microseconds since the epoch. For people.
    pub at_us: i64,
}

/// Notes that a range of the partition beginning at `start` was processed by the version that `used` names, or
/// without the step.
pub(crate) fn note_start(
    versions: &mut [StepVersion],
    used: Option<&PluginUse>,
    partition: i32,
    start: Offset,
) {
    let version = match used {
        Some(used) => versions.iter_mut().rev().find(|version| version.is(used)),
        None => versions.iter_mut().rev().find(|version| version.from.contains_key(&partition)),
    };
    let Some(version) = version else { return };
    let offsets = if used.is_some() { &mut version.from } else { &mut version.until };
    offsets.entry(partition).or_insert(start);
}

impl LogState {
    /// Versions of a step, the present one last; empty if the log knows no such step. At most
    /// [`VERSIONS_MAX`].
    pub fn versions(&self, stream: &str, step: &str) -> &[StepVersion] {
        self.versions.get(stream).and_then(|steps| steps.get(step)).map_or(&[], Vec::as_slice)
    }

    /// The version of a step that made the rows of a message, when it was processed first, in the present epoch
    /// of its topic. None if the message is not accepted, if the step had no part in it, or if that is not
    /// known: the entry is older than format 3, or its version older than the last [`VERSIONS_MAX`].
    pub fn version_at(
        &self,
        stream: &str,
        step: &str,
        partition: i32,
        offset: Offset,
    ) -> Option<&StepVersion> {
        let topic = self.topic_of(stream)?;
        if offset >= self.position(&TopicPartition::new(topic, partition)).offset {
            return None;
        }
        let has_begun =
            |version: &&StepVersion| version.from.get(&partition).is_some_and(|from| *from <= offset);
        let version = self.versions(stream, step).iter().rev().find(has_begun)?;
        let has_ended = version.until.get(&partition).is_some_and(|until| *until <= offset);
        (!has_ended).then_some(version)
    }

    /// Notes the versions of an entry of plugins; `self.plugins` are still those before.
    pub(crate) fn note_versions(
        &mut self,
        desired: &[PluginUse],
        change: Option<&PluginChange>,
        entry: &Entry,
    ) {
        for used in desired {
            let was_desired = self.plugins.contains(used);
            self.note_version(used, was_desired, change, entry);
        }
    }

    fn note_version(
        &mut self,
        used: &PluginUse,
        was_desired: bool,
        change: Option<&PluginChange>,
        entry: &Entry,
    ) {
        let steps = self.versions.entry(used.stream.clone()).or_default();
        let versions = steps.entry(used.step.clone()).or_default();
        let name = change.and_then(|change| change.names.get(&used.plugin).cloned());
        if let Some(last) = versions.last_mut().filter(|last| last.is(used) && was_desired) {
            last.name = last.name.take().or(name);
            return;
        }
        versions.push(StepVersion {
            plugin: used.plugin,
            config: used.config,
            name,
            cause: change.map(|change| change.cause),
            sequence: entry.sequence,
            at_us: entry.written_at_us,
            broke: false,
            from: BTreeMap::new(),
            until: BTreeMap::new(),
        });
        let surplus = versions.len().saturating_sub(VERSIONS_MAX);
        versions.drain(..surplus);
    }

    /// Resumes the streams that are paused for a step whose version is not `desired` any more; `self.plugins` and
    /// `self.versions` are still those before.
    pub(crate) fn resume_changed(&mut self, desired: &[PluginUse], change: Option<&PluginChange>) {
        let of_step = |plugins: &[PluginUse], stream: &str, step: &str| {
            plugins.iter().find(|used| used.stream == stream && used.step == step).cloned()
        };
        let is_left = |stream: &str, pause: &Pause| {
            let step = pause.step.as_deref();
            step.is_some_and(|step| of_step(&self.plugins, stream, step) != of_step(desired, stream, step))
        };
        let left: Vec<_> = self
            .paused
            .iter()
            .filter(|(stream, pause)| is_left(stream, pause))
            .map(|(s, _)| s.clone())
            .collect();
        // What a circuit leads to tells of the version before by itself.
        let is_told = change.is_some_and(|change| change.cause == ChangeCause::CircuitOpened);
        for stream in left {
            if !is_told {
                self.note_broken(&stream);
            }
            self.paused.remove(&stream);
        }
    }

    /// The same without what format 3 keeps of versions only since a circuit's pause is remembered: snapshots of it
    /// that were written before that lack it.
    #[must_use]
    pub fn without_breaks(&self) -> Self {
        let mut state = self.clone();
        let versions = state.versions.values_mut().flat_map(BTreeMap::values_mut).flatten();
        versions.for_each(|version| version.broke = false);
        state
    }

    /// Notes that the version broke that the stream is paused for, if it is for one, before that is forgotten.
    pub(crate) fn note_broken(&mut self, stream: &str) {
        let step = self.paused.get(stream).and_then(|pause| pause.step.as_ref());
        let versions = step.and_then(|step| self.versions.get_mut(stream)?.get_mut(step));
        if let Some(version) = versions.and_then(|versions| versions.last_mut()) {
            version.broke = true;
        }
    }

    /// Who asks for a pause may take the place of a circuit's, so that a change of the step does not resume the
    /// stream; beside that a stream is paused once.
    pub(crate) fn check_pause(&self, stream: &str, step: Option<&str>) -> Result<(), Rejection> {
        match self.paused.get(stream) {
            Some(pause) if step.is_some() || pause.step.is_none() => {
                Err(Rejection::AlreadyPaused { stream: stream.to_owned(), reason: pause.reason.clone() })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn check_resumption(&self, stream: &str) -> Result<(), Rejection> {
        match self.paused.contains_key(stream) {
            true => Ok(()),
            false => Err(Rejection::NotPaused { stream: stream.to_owned() }),
        }
    }

    /// Streams that are paused, by name.
    pub fn paused(&self) -> &BTreeMap<String, Pause> {
        &self.paused
    }
}
