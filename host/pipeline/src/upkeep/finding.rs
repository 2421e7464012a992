//! What verification finds: each finding names the place, says what is wrong and what to do about it.

use std::fmt;

use millstream_model::entry::Sequence;

/// Something about a lake that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// An entry that readers need is not there.
    EntryMissing {
        /// Where it should be.
        place: String,
        /// Its number.
        sequence: Sequence,
    },
    /// An entry cannot be read or does not continue the log.
    EntryUnusable {
        /// Where it is.
        place: String,
        /// Its number.
        sequence: Sequence,
        /// Why.
        reason: String,
    },
    /// An entry breaks a rule, so that it has no effect for any reader. Harmless.
    EntryPassedOver {
        /// Its number.
        sequence: Sequence,
        /// The rule.
        reason: String,
    },
    /// Entries below the newest snapshot are missing between others. Harmless: nobody needs them.
    EntriesDeleted {
        /// The first one.
        from: Sequence,
        /// The last one.
        to: Sequence,
    },
    /// A snapshot cannot be read.
    SnapshotUnusable {
        /// Where it is.
        place: String,
        /// Its number.
        sequence: Sequence,
        /// Why.
        reason: String,
        /// True if the entries that it stands for are there.
        replaceable: bool,
    },
    /// A live file is not there.
    FileMissing {
        /// Where it should be.
        place: String,
        /// Its table.
        table: String,
        /// Rows that it held.
        rows: u64,
        /// The entry that names it, if that is still there.
        entry: Option<Sequence>,
    },
    /// A live file is not as the log says.
    FileDiffers {
        /// Where it is.
        place: String,
        /// Its table.
        table: String,
        /// How.
        what: String,
        /// The entry that names it, if that is still there.
        entry: Option<Sequence>,
    },
    /// A plugin that a step runs is not there.
    PluginMissing {
        /// Where it should be.
        place: String,
        /// Stream and step.
        step: String,
    },
    /// A plugin's bytes are not those that its name says.
    PluginDiffers {
        /// Where it is.
        place: String,
    },
    /// Files were not looked at, because the log cannot be read to its head.
    FilesUnknown,
}

impl Finding {
    /// False if nothing is lost or wrong for anybody.
    pub fn is_problem(&self) -> bool {
        !matches!(self, Self::EntryPassedOver { .. } | Self::EntriesDeleted { .. })
    }

    /// Its kind, for scripts.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::EntryMissing { .. } => "entry_missing",
            Self::EntryUnusable { .. } => "entry_unusable",
            Self::EntryPassedOver { .. } => "entry_passed_over",
            Self::EntriesDeleted { .. } => "entries_deleted",
            Self::SnapshotUnusable { .. } => "snapshot_unusable",
            Self::FileMissing { .. } => "file_missing",
            Self::FileDiffers { .. } => "file_differs",
            Self::PluginMissing { .. } => "plugin_missing",
            Self::PluginDiffers { .. } => "plugin_differs",
            Self::FilesUnknown => "files_unknown",
        }
    }

    /// Where it is, as a user can open it; none where no single object is meant.
    pub fn place(&self) -> Option<&str> {
        match self {
            Self::EntryMissing { place, .. }
            | Self::EntryUnusable { place, .. }
            | Self::SnapshotUnusable { place, .. }
            | Self::FileMissing { place, .. }
            | Self::FileDiffers { place, .. }
            | Self::PluginMissing { place, .. }
            | Self::PluginDiffers { place } => Some(place),
            Self::EntryPassedOver { .. } | Self::EntriesDeleted { .. } | Self::FilesUnknown => None,
        }
    }

    /// The entry or snapshot it is about, if it is about one.
    pub fn sequence(&self) -> Option<Sequence> {
        match self {
            Self::EntryMissing { sequence, .. }
            | Self::EntryUnusable { sequence, .. }
            | Self::EntryPassedOver { sequence, .. }
            | Self::SnapshotUnusable { sequence, .. } => Some(*sequence),
            Self::FileMissing { entry, .. } | Self::FileDiffers { entry, .. } => *entry,
            _ => None,
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::EntryMissing { .. } => {
                "put the object back from a backup, or restore a backup with `millstream restore --force`"
            }
            Self::EntryUnusable { .. } => {
                "unless a newer version wrote it: put it, or the one before it, back as it was (from the store's versions or a \
                 backup), or restore a backup with `millstream restore --force`"
            }
            Self::SnapshotUnusable { replaceable: true, .. } => {
                "stop all workers and delete it: the entries that it stands for are all there"
            }
            Self::SnapshotUnusable { .. } => {
                "put the object back as it was, or restore a backup with `millstream restore --force`"
            }
            Self::FileMissing { .. } | Self::FileDiffers { .. } => {
                "put the file back from a backup, where it has the same path; until then readers of the table fail or miss \
                 its rows, and runs go on"
            }
            Self::PluginMissing { .. } | Self::PluginDiffers { .. } => {
                "put the file back from a backup, or from the plugin folder that has this version"
            }
            Self::EntryPassedOver { .. } | Self::EntriesDeleted { .. } => "nothing need be done",
            Self::FilesUnknown => "mend the log first, then verify again",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named =
            |entry: &Option<Sequence>| entry.map_or(String::new(), |n| format!(", named by entry {n},"));
        match self {
            Self::EntryMissing { place, sequence } => {
                write!(f, "{place}: entry {sequence} is missing though later ones are there")?
            }
            Self::EntryUnusable { place, sequence, reason } => {
                write!(f, "{place}: entry {sequence} cannot be used: {reason}")?;
            }
            Self::EntryPassedOver { sequence, reason } => {
                write!(f, "entry {sequence} breaks a rule and has no effect: {reason}")?;
            }
            Self::EntriesDeleted { from, to } => {
                write!(f, "entries {from} to {to} were deleted behind a snapshot")?;
            }
            Self::SnapshotUnusable { place, sequence, reason, .. } => {
                write!(f, "{place}: snapshot {sequence} cannot be used: {reason}")?;
            }
            Self::FileMissing { place, table, rows, entry } => {
                write!(f, "{place}: a live file of {table}{} with {rows} rows is missing", named(entry))?;
            }
            Self::FileDiffers { place, table, what, entry } => {
                write!(f, "{place}: a live file of {table}{} is not as committed: {what}", named(entry))?;
            }
            Self::PluginMissing { place, step } => {
                write!(f, "{place}: the plugin that step {step} runs is missing")?;
            }
            Self::PluginDiffers { place } => {
                write!(f, "{place}: the plugin's bytes are not those that its name says")?;
            }
            Self::FilesUnknown => write!(f, "tables and plugins were not looked at")?,
        }
        write!(f, "; {}", self.remedy())
    }
}
