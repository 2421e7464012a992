//! What is to run instead of what does: versions of steps, a configuration.

use std::collections::BTreeMap;

use millstream_model::Digest;
use millstream_model::entry::ChangeCause;

use super::target::Version;
use crate::admin::StepId;
use crate::config::Config;

/// Changes that are wished for together.
pub(super) struct Wish {
    /// Why.
    pub(super) cause: ChangeCause,
    /// Versions of steps.
    pub(super) steps: BTreeMap<StepId, Wanted>,
    /// A configuration that was read again.
    pub(super) config: Option<Config>,
    /// Versions of steps that run as shadows first.
    pub(super) shadows: Vec<(StepId, Wanted)>,
    /// Why parts of the wish were not granted.
    pub(super) refusals: Vec<String>,
}

/// A version that is wished for.
pub(super) struct Wanted {
    pub(super) version: Version,
    /// Where it comes from, for people.
    pub(super) from: String,
    pub(super) origin: Origin,
}

/// Who wishes for a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was found in the plugin folder: whether it is granted depends on the log and the step's policy.
    Folder {
        /// The plugin that the file held before, if this worker saw it change.
        replaced: Option<Digest>,
        /// True if somebody approved what it newly asks for.
        approved: bool,
        /// True if it ran as a shadow and kept the step's thresholds.
        shadowed: bool,
    },
    /// Somebody asked for it by its digest, or a circuit did.
    Asked,
}

impl Wish {
    /// Nothing yet.
    pub(super) fn new(cause: ChangeCause) -> Self {
        Self { cause, steps: BTreeMap::new(), config: None, shadows: Vec::new(), refusals: Vec::new() }
    }

    /// For one version of one step.
    pub(super) fn of(cause: ChangeCause, step: StepId, wanted: Wanted) -> Self {
        Self { steps: BTreeMap::from([(step, wanted)]), ..Self::new(cause) }
    }

    /// Plugins that are wished for.
    pub(super) fn digests(&self) -> Vec<Digest> {
        self.steps.values().map(|wanted| wanted.version.plugin.digest()).collect()
    }

    /// True if something else is to run than the log desires, perhaps.
    pub(super) fn is_new(&self) -> bool {
        self.config.is_some() || !self.steps.is_empty()
    }

    /// True if the wish is about this stream.
    pub(super) fn concerns(&self, stream: &str) -> bool {
        self.config.is_some() || self.steps.keys().any(|step| step.stream == stream)
    }
}
