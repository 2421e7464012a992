//! The rules of the checkpoint log, each of which closes a hole that bit a real system. Production
//! has all of them; the mutation tests take out one at a time and see the simulation fail.

/// One rule. The line says what happens without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Rule {
    /// Offsets are processed twice after a rebalance, or lost silently when retention or a wrong
    /// committed offset moves the start.
    ContiguousRanges,
    /// A worker that comes back with an old local store counts into state that was left behind.
    StateParent,
    /// Two compactions of one file both win and its rows are there twice.
    RemovedFilesLive,
    /// A pending list that was not cleared brings a compacted file back, and its rows twice.
    RowsOfRange,
    /// Two replays of the same messages both win, and the rows that they made are there twice.
    ReplayParent,
    /// A merged file that says less than it holds is passed over by a replay, and its rows are there twice.
    OffsetsKept,
    /// A worker that still reads a topic as it was adds its rows to those of the topic that took its name, or
    /// passes over messages of that one.
    TopicEpoch,
    /// Two who were asked to adopt a topic both do, and its messages are read twice.
    AdoptedOnce,
    /// A worker that opens a new session carries over files that the cleaner has deleted.
    FileSessionOpen,
    /// A worker that was replaced goes on writing entries when it wakes up.
    WriterOpen,
    /// Rows and state of a revoked partition slip into the entry of another one.
    OneTaskPerFile,
    /// Offsets of a new or wrong cluster continue those of the old one.
    SourceIdentity,
    /// Rows of a withdrawn plugin version land after the swap.
    PluginsDesired,
    /// A worker that slept through a swap goes on with the version before behind the rows of the new one.
    SettledPlugins,
    /// Of two changes of plugins that race, the second undoes the first, of which it knew nothing.
    PluginsParent,
    /// A restored backup joins two histories of the log.
    HashChain,
    /// A restart lets event time run backwards and windows fire twice.
    WatermarksRise,
    /// A truncation that was asleep moves the boundary back below deleted entries.
    BoundaryRises,
    /// A time-out that is taken for success leaves a hole in the log.
    ResolveUnknown,
    /// A slot offered twice with different content loses to its own first offer, and the writer
    /// deletes the files of the entry that stands (Iceberg's `CommitStateUnknown`).
    IdenticalRetry,
    /// "Already exists" after a lost reply is taken for a lost race although the entry is one's own.
    CompareNonce,
    /// A zombie's put at a slot that truncation emptied counts as accepted (SlateDB's fencing bug).
    FenceByBoundary,
    /// A writer finds a zombie's entry in the truncated slot where its own stood, takes the race for
    /// lost and deletes the files of the entry that stands.
    ConfirmLoss,
    /// A reader takes the first truncated slot for the head of the log.
    BoundaryAtHead,
    /// Deleted entries are missed by readers that know of no boundary yet.
    PublishBeforeDelete,
    /// The cleaner deletes a file that a slow writer is about to name.
    CloseBeforeDelete,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 26] = [
        Rule::ContiguousRanges,
        Rule::StateParent,
        Rule::RemovedFilesLive,
        Rule::RowsOfRange,
        Rule::ReplayParent,
        Rule::OffsetsKept,
        Rule::TopicEpoch,
        Rule::AdoptedOnce,
        Rule::FileSessionOpen,
        Rule::WriterOpen,
        Rule::OneTaskPerFile,
        Rule::SourceIdentity,
        Rule::PluginsDesired,
        Rule::SettledPlugins,
        Rule::PluginsParent,
        Rule::HashChain,
        Rule::WatermarksRise,
        Rule::BoundaryRises,
        Rule::ResolveUnknown,
        Rule::IdenticalRetry,
        Rule::CompareNonce,
        Rule::FenceByBoundary,
        Rule::ConfirmLoss,
        Rule::BoundaryAtHead,
        Rule::PublishBeforeDelete,
        Rule::CloseBeforeDelete,
    ];
}

/// The rules in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    without: Option<Rule>,
}

impl Rules {
    /// All of them: the only value for production.
    pub const fn all() -> Self {
        Self { without: None }
    }

    /// All but `rule`, to show that the rule is needed.
    pub const fn without(rule: Rule) -> Self {
        Self { without: Some(rule) }
    }

    /// True if `rule` is in force.
    pub fn has(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}
