//! Which plugin a step ran from which entry and which offset on, as the log says it: what a rollback goes
//! back to, and what tells of any row who made it.

use std::collections::BTreeMap;

use millstream_model::entry::{ChangeCause, PluginName, PluginUse, Sequence};
use millstream_model::{Digest, Offset};
use serde::{Deserialize, Serialize};

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
    /// For each partition number of the stream's topic the offset of the first message that it made rows of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub from: BTreeMap<i32, Offset>,
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

impl LogState {
    /// Versions of a step, the present one last; empty if the log knows no such step. At most
    /// [`VERSIONS_MAX`].
    pub fn versions(&self, stream: &str, step: &str) -> &[StepVersion] {
        self.versions.get(stream).and_then(|steps| steps.get(step)).map_or(&[], Vec::as_slice)
    }

    /// Streams that are paused, by name.
    pub fn paused(&self) -> &BTreeMap<String, Pause> {
        &self.paused
    }
}
