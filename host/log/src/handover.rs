//! The change of a stream's plugins from those before to those desired now, partition by partition. A worker
//! that was on its way when the change won its slot may commit that work once: the first range of a partition
//! behind the change may be of either, and settles the partition; every later one is of the plugins desired
//! now. So a change costs no worker its work, and who comes back with the plugins before is refused for good.

use std::collections::{BTreeMap, BTreeSet};

use millstream_model::entry::{Data, Entry, PluginChange, PluginUse};
use serde::{Deserialize, Serialize};

use crate::rejection::Rejection;
use crate::rules::{Rule, Rules};
use crate::state::LogState;
use crate::versions::note_start;

/// First format whose entries may name the plugins before a change. What older entries did is not touched.
pub(crate) const FORMAT_HANDOVER: u32 = 3;

/// Where a stream stands in the last change of its plugins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Handover {
    /// Topic of the stream.
    pub(crate) topic: String,
    /// Plugins that were desired before the last change; those of now if there was none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) former: Vec<PluginUse>,
    /// Partitions of the topic that had a range since then.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) settled: BTreeSet<i32>,
}

impl LogState {
    /// The topic of a stream, as the last entry of plugins said it; none if none of format 3 named the stream.
    pub fn topic_of(&self, stream: &str) -> Option<&str> {
        self.handovers.get(stream).map(|handover| handover.topic.as_str())
    }

    /// For each stream, all its plugins are those desired, or all are those before and its partitions are not
    /// settled. Of a stream whose topic is not known, and of one without a range, each must be desired.
    pub(crate) fn check_generations(
        &self,
        entry: &Entry,
        data: &Data,
        rules: &Rules,
    ) -> Result<(), Rejection> {
        if entry.format < FORMAT_HANDOVER {
            return self.check_plugins(&data.plugins);
        }
        for (stream, handover) in &self.handovers {
            let moved: BTreeSet<i32> = moved(data, &handover.topic).map(|(number, _)| number).collect();
            let used = of_stream(&data.plugins, stream);
            match moved.is_empty() {
                true => self.check_plugins(used)?,
                false => self.check_generation(stream, handover, &used.collect(), &moved, rules)?,
            }
        }
        self.check_plugins(data.plugins.iter().filter(|used| !self.handovers.contains_key(&used.stream)))
    }

    fn check_generation(
        &self,
        stream: &str,
        handover: &Handover,
        used: &BTreeSet<&PluginUse>,
        moved: &BTreeSet<i32>,
        rules: &Rules,
    ) -> Result<(), Rejection> {
        let desired: BTreeSet<_> = of_stream(&self.plugins, stream).collect();
        let is_former = *used == handover.former.iter().collect();
        let is_settled = rules.has(Rule::SettledPlugins) && !moved.is_disjoint(&handover.settled);
        if *used == desired || (is_former && !is_settled) {
            return Ok(());
        }
        self.check_plugins(used.iter().copied())?;
        match desired.difference(used).next() {
            None => Ok(()),
            Some(left_out) => {
                let (stream, step) = (stream.to_owned(), left_out.step.clone());
                Err(Rejection::PluginLeftOut { stream, step })
            }
        }
    }

    /// Each plugin must be one that the log desires.
    pub(crate) fn check_plugins<'a>(
        &self,
        used: impl IntoIterator<Item = &'a PluginUse>,
    ) -> Result<(), Rejection> {
        match used.into_iter().find(|used| !self.plugins.contains(used)) {
            None => Ok(()),
            Some(used) => Err(Rejection::PluginNotDesired {
                stream: used.stream.clone(),
                step: used.step.clone(),
                plugin: used.plugin,
                config: used.config,
            }),
        }
    }

    /// Who changes plugins knows those that he changes, and says of each stream which topic it reads.
    pub(crate) fn check_change(
        &self,
        desired: &[PluginUse],
        change: &PluginChange,
        rules: &Rules,
    ) -> Result<(), Rejection> {
        if rules.has(Rule::PluginsParent) && change.parent != self.plugins_changed {
            return Err(Rejection::PluginsParent { last: self.plugins_changed, found: change.parent });
        }
        match desired.iter().find(|used| !change.topics.contains_key(&used.stream)) {
            None => Ok(()),
            Some(used) => Err(Rejection::TopicUnnamed { stream: used.stream.clone() }),
        }
    }

    /// Begins the handovers of the streams whose plugins become other ones; `self.plugins` are still those before.
    pub(crate) fn hand_over(&mut self, desired: &[PluginUse], change: Option<&PluginChange>) {
        for (stream, topic) in change.into_iter().flat_map(|change| &change.topics) {
            if self.topic_of(stream).is_some_and(|known| known == topic) {
                continue;
            }
            // Offsets that were noted are those of another topic.
            self.forget_offsets(stream);
            let former = of_stream(&self.plugins, stream).cloned().collect();
            let handover = Handover { topic: topic.clone(), former, settled: BTreeSet::new() };
            self.handovers.insert(stream.clone(), handover);
        }
        for (stream, handover) in &mut self.handovers {
            let before: BTreeSet<_> = of_stream(&self.plugins, stream).collect();
            if before != of_stream(desired, stream).collect() {
                handover.former = before.into_iter().cloned().collect();
                handover.settled.clear();
            }
        }
    }

    /// Notes who made the rows of the ranges.
    pub(crate) fn settle(&mut self, data: &Data) {
        for (stream, handover) in &mut self.handovers {
            let mut versions = self.versions.get_mut(stream);
            for (number, start) in moved(data, &handover.topic) {
                handover.settled.insert(number);
                for (step, versions) in versions.iter_mut().flat_map(|steps| steps.iter_mut()) {
                    let used = of_stream(&data.plugins, stream).find(|used| used.step == *step);
                    note_start(versions, used, number, start);
                }
            }
        }
    }

    /// Forgets what was said in offsets of a topic that begins again.
    pub(crate) fn restart_handovers(&mut self, topic: &str) {
        let of_topic = |(stream, handover): (&String, &mut Handover)| {
            let is_of_topic = handover.topic == topic;
            is_of_topic.then(|| {
                handover.settled.clear();
                stream.clone()
            })
        };
        let streams: Vec<_> = self.handovers.iter_mut().filter_map(of_topic).collect();
        streams.iter().for_each(|stream| self.forget_offsets(stream));
    }

    fn forget_offsets(&mut self, stream: &str) {
        let steps: Option<&mut BTreeMap<_, _>> = self.versions.get_mut(stream);
        for version in steps.into_iter().flat_map(BTreeMap::values_mut).flatten() {
            version.from.clear();
            version.until.clear();
        }
    }
}

/// Partitions of `topic` that were processed, each with where a range of it begins, in the entry's order.
fn moved<'a>(data: &'a Data, topic: &'a str) -> impl Iterator<Item = (i32, i64)> + 'a {
    let processed = data.ranges.iter().filter(|consumed| consumed.skipped.is_none());
    let own = processed.filter(move |consumed| *consumed.partition.topic == *topic);
    own.map(|consumed| (consumed.partition.partition, consumed.range.start))
}

pub(crate) fn of_stream<'a>(
    plugins: &'a [PluginUse],
    stream: &'a str,
) -> impl Iterator<Item = &'a PluginUse> + 'a {
    plugins.iter().filter(move |used| used.stream == stream)
}
