//! Entries without rows: who writes, from which source, with which plugins, and what is kept of the log.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{PluginUse, Sequence, SessionId};
use crate::position::Digest;

/// Changes that carry no rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Control {
    /// A session may write files and entries from here on.
    SessionOpened {
        /// The session.
        session: SessionId,
        /// Name of its worker, the same over restarts.
        worker: String,
        /// Version of Millstream.
        version: String,
    },
    /// A session may not write any more; what it left behind unaccepted may be deleted.
    SessionClosed {
        /// The session.
        session: SessionId,
    },
    /// The log's offsets are those of this source and no other.
    SourceBound {
        /// Identity of the source: a Kafka cluster id, or the identity of a folder.
        source: String,
        /// Topic ids, where the source gives them.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        topics: BTreeMap<String, String>,
    },
    /// From here on the log's offsets are those of another source, or topics of the source begin again.
    /// Someone asked for this.
    Adopted {
        /// Identity of the source.
        source: String,
        /// Topic ids, where the source gives them.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        topics: BTreeMap<String, String>,
        /// Topics whose partitions begin at their beginning again, in a new epoch. Their rows stay.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        restart: BTreeSet<String>,
    },
    /// The plugins that steps run from here on, with their configurations. Wins over any folder.
    Plugins {
        /// One for each step.
        desired: Vec<PluginUse>,
        /// Why, and what people call them; none before format 3.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change: Option<PluginChange>,
    },
    /// No worker reads on with this stream until it is resumed. What was read before may still be committed.
    Paused {
        /// The stream.
        stream: String,
        /// Why.
        reason: String,
        /// The step whose circuit opened, if that is why: an entry that changes its plugin or the plugin's
        /// configuration also resumes the stream.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
    },
    /// The stream goes on.
    Resumed {
        /// The stream.
        stream: String,
    },
    /// Digest of the configuration that a worker started with.
    Configured {
        /// Digest of the configuration as checked.
        config: Digest,
    },
    /// Entries below `boundary` may be deleted; a snapshot of the log there has been published.
    Retention {
        /// First entry that is kept.
        boundary: Sequence,
    },
    /// Files that had been replaced are deleted.
    Cleaned {
        /// Paths below the lake's root.
        paths: Vec<String>,
    },
    /// Entries are of this format from here on; workers that do not know it stop.
    Upgraded {
        /// The format.
        format: u32,
    },
}

/// Why the desired plugins changed, and what an entry of digests does not say of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginChange {
    /// What it came from.
    pub cause: ChangeCause,
    /// The last entry of plugins that its writer knew, or none: of two changes that race, the second begins again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Sequence>,
    /// Topic of each stream that has steps, so that offsets can be told from the entries alone.
    pub topics: BTreeMap<String, String>,
    /// What the desired plugins call themselves.
    pub names: BTreeMap<Digest, PluginName>,
}

/// What a plugin calls itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginName {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What a change of the desired plugins came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeCause {
    /// A worker started with other steps than the log had.
    Started,
    /// A file was put into the plugin folder.
    DroppedIn,
    /// The configuration was changed.
    Configured,
    /// Someone promoted a version.
    Promoted,
    /// Someone went back to a version.
    RolledBack,
    /// A circuit opened, and the last good version took over.
    CircuitOpened,
}
