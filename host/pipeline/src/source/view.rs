//! A source as it looks from outside: what it is, its topics with their ends, and who reads them. Looking
//! takes no part in the source: no group is joined, no offset is committed.

use std::collections::BTreeMap;

use millstream_model::{Offset, TopicPartition};

use super::{SourceError, SourceSettings, file_view, kafka_view};

/// A source at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceView {
    /// As [`super::Source::identity`].
    pub identity: String,
    /// Those of the topics that were asked for and exist.
    pub topics: BTreeMap<String, TopicView>,
    /// The consumer group; none for sources without groups.
    pub group: Option<GroupView>,
}

/// A topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicView {
    /// Given anew at each creation, where the source has such ids.
    pub id: Option<String>,
    /// Its partitions.
    pub partitions: BTreeMap<i32, Ends>,
}

/// Ends of a partition; none where they are not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Oldest position that is there.
    pub low: Option<Offset>,
    /// Position behind the newest message.
    pub end: Option<Offset>,
}

/// A consumer group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupView {
    /// Its name.
    pub name: String,
    /// `classic` or `consumer`; empty for a group that nobody ever joined.
    pub protocol: String,
    /// As Kafka names it: `Stable`, `Empty`, `PreparingRebalance`, ….
    pub state: String,
    /// Its members.
    pub members: Vec<MemberView>,
}

/// A member of a consumer group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberView {
    /// Name of a static member: that of the worker.
    pub instance: Option<String>,
    /// What the client calls itself.
    pub client: String,
    /// Where it connects from, as Kafka writes it.
    pub host: String,
    /// Partitions that it holds.
    pub partitions: Vec<TopicPartition>,
}

impl MemberView {
    /// What the client of a worker calls itself before its name.
    pub(super) const CLIENT_PREFIX: &str = "millstream-";

    /// Name of the worker, as far as it can be known: a client that was given another id goes by that.
    pub fn worker(&self) -> &str {
        let named = self.client.strip_prefix(Self::CLIENT_PREFIX).unwrap_or(&self.client);
        self.instance.as_deref().unwrap_or(named)
    }
}

/// Looks at a source.
///
/// # Errors
/// If it cannot be reached. A topic that does not exist is no error.
pub fn look(settings: &SourceSettings, topics: &[String]) -> Result<SourceView, SourceError> {
    match settings {
        SourceSettings::Kafka(settings) => kafka_view::look(settings, topics),
        SourceSettings::Files(settings) => file_view::look(settings, topics),
    }
}
