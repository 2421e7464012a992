//! What the log says of plugins, as of one moment: taken by who has the log, used by who decides.

use std::collections::{BTreeMap, BTreeSet};

use millstream_log::{LogState, StepVersion};
use millstream_model::Digest;
use millstream_model::entry::{DataFile, PluginUse, Sequence};

use crate::admin::StepId;
use crate::start::newest_files;

/// What the log says of plugins.
pub(crate) struct View {
    /// What it desires.
    pub(crate) desired: Vec<PluginUse>,
    /// The entry that said so.
    pub(crate) changed: Option<Sequence>,
    /// Versions of the steps that it desires, the present one last.
    pub(crate) versions: BTreeMap<StepId, Vec<StepVersion>>,
    /// Topics of the streams that it desires, by stream, as far as it knows them.
    pub(crate) topics: BTreeMap<String, String>,
    /// Newest files of the tables.
    pub(crate) files: BTreeMap<String, Vec<DataFile>>,
    retired: BTreeSet<Digest>,
}

impl View {
    /// Takes it from the log's state; `digests` are those of which [`View::has_retired`] can be asked.
    pub(crate) fn of(log: &LogState, digests: &[Digest]) -> Self {
        let of_step = |used: &PluginUse| {
            let step = StepId::new(used.stream.as_str(), used.step.as_str());
            let versions = log.versions(&used.stream, &used.step).to_vec();
            (step, versions)
        };
        let topic_of = |used: &PluginUse| Some((used.stream.clone(), log.topic_of(&used.stream)?.to_owned()));
        Self {
            desired: log.plugins().to_vec(),
            changed: log.plugins_changed(),
            versions: log.plugins().iter().map(of_step).collect(),
            topics: log.plugins().iter().filter_map(topic_of).collect(),
            files: newest_files(log),
            retired: digests.iter().copied().filter(|digest| log.has_retired(*digest)).collect(),
        }
    }

    /// What the log desires for a step.
    pub(crate) fn desired(&self, step: &StepId) -> Option<&PluginUse> {
        self.desired.iter().find(|used| used.stream == step.stream && used.step == step.step)
    }

    /// Names of the steps of a stream that the log desires.
    pub(crate) fn steps(&self, stream: &str) -> BTreeSet<&str> {
        let of_stream = self.desired.iter().filter(|used| used.stream == stream);
        of_stream.map(|used| used.step.as_str()).collect()
    }

    /// True if the log desired this plugin once and does no more.
    pub(crate) fn has_retired(&self, plugin: Digest) -> bool {
        self.retired.contains(&plugin)
    }

    /// Versions of a step, the present one last.
    pub(crate) fn versions(&self, step: &StepId) -> &[StepVersion] {
        self.versions.get(step).map_or(&[], Vec::as_slice)
    }
}

/// The version to go back to from the present one, the last of `versions`: the one before it, or the latest other
/// one of the plugin `to`.
pub(super) fn before(versions: &[StepVersion], to: Option<Digest>) -> Option<&StepVersion> {
    let (present, earlier) = versions.split_last()?;
    let is_other = |version: &&StepVersion| {
        (version.plugin, version.config) != (present.plugin, present.config)
            && to.is_none_or(|plugin| version.plugin == plugin)
    };
    earlier.iter().rev().find(is_other)
}

/// The latest version before the present one whose circuit has not opened.
pub(super) fn last_good(versions: &[StepVersion]) -> Option<&StepVersion> {
    use millstream_model::entry::ChangeCause::CircuitOpened;
    let (present, earlier) = versions.split_last()?;
    let left = versions.windows(2).filter(|pair| pair[1].cause == Some(CircuitOpened)).map(|pair| &pair[0]);
    let left = left.chain(versions.iter().filter(|version| version.broke));
    let broken: Vec<_> = left.chain([present]).map(|version| (version.plugin, version.config)).collect();
    earlier.iter().rev().find(|version| !broken.contains(&(version.plugin, version.config)))
}

#[cfg(test)]
mod tests {
    use millstream_model::entry::ChangeCause;

    use super::*;

    /// Versions as text: a letter each, with `!` behind it if a circuit led to it, and `-` if the stream was paused
    /// for it.
    fn versions(text: &str) -> Vec<StepVersion> {
        let version = |word: &str| StepVersion {
            plugin: Digest::of(word.trim_end_matches(['!', '-']).as_bytes()),
            config: Digest::of(b"{}"),
            name: None,
            cause: word.ends_with('!').then_some(ChangeCause::CircuitOpened),
            sequence: 1,
            at_us: 0,
            broke: word.ends_with('-'),
            from: BTreeMap::new(),
            until: BTreeMap::new(),
        };
        text.split_whitespace().map(version).collect()
    }

    #[test]
    fn a_circuit_never_leads_back_to_a_version_that_broke() {
        let check = |text: &str, expected: Option<&str>| {
            let found = versions(text);
            let expected = expected.map(|name| Digest::of(name.as_bytes()));
            assert_eq!(last_good(&found).map(|version| version.plugin), expected, "{text}");
        };
        check("", None);
        check("a", None);
        check("a b", Some("a"));
        check("a b a!", None);
        check("a b c b!", Some("a"));
        check("a b a! c", Some("a"));
        check("a b a", Some("b"));
        // It had been forgotten with the pause that it broke.
        check("a- b", None);
        check("a b- c", Some("a"));
        check("a b- c a! d", Some("a"));
    }

    #[test]
    fn a_rollback_goes_to_the_version_before_or_to_the_one_that_is_named() {
        let (a, b, c) = (Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"c"));
        let check = |text: &str, to: Option<Digest>, expected: Option<Digest>| {
            let found = versions(text);
            assert_eq!(before(&found, to).map(|version| version.plugin), expected, "{text}");
        };
        check("a", None, None);
        check("a b", None, Some(a));
        check("a b a", None, Some(b));
        check("a b c", Some(a), Some(a));
        check("a b", Some(c), None);
        check("a b", Some(b), None);
    }
}
