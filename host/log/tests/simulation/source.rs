//! The source as its brokers see it: topics of one name, each the successor of the one before, and what is
//! read from them.

use std::collections::BTreeMap;

use millstream_log::LogState;
use millstream_log::invariants::Attempt;
use millstream_model::Offset;
use millstream_model::entry::PluginUse;

/// Partitions of the topic.
pub const PARTITIONS: usize = 3;

/// The topic as it was created once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Topic {
    pub ends: [Offset; PARTITIONS],
    pub earliest: [Offset; PARTITIONS],
}

#[derive(Debug)]
pub struct Source {
    /// All that had the name; the last one is there now. Messages of the others are still in the buffers of who
    /// read them.
    topics: Vec<Topic>,
    /// Which topic each attempt was read from; none if it was a replay, which reads what had been accepted.
    pub attempts: BTreeMap<Attempt, Option<usize>>,
    /// Plugins that made the rows of each attempt that is no replay.
    pub made_by: BTreeMap<Attempt, Vec<PluginUse>>,
}

impl Source {
    pub fn new() -> Self {
        Self { topics: vec![Topic::default()], attempts: BTreeMap::new(), made_by: BTreeMap::new() }
    }

    pub fn topic(&self, number: usize) -> &Topic {
        &self.topics[number]
    }

    pub fn newest(&mut self) -> &mut Topic {
        self.topics.last_mut().expect("there is always a topic")
    }

    pub fn recreate(&mut self) {
        self.topics.push(Topic::default());
    }

    /// The id of the topic that is there now.
    pub fn id(&self) -> String {
        id(self.topics.len() - 1)
    }

    /// The topic that the log is bound to; the one that is there if it is bound to none.
    pub fn bound(&self, log: &LogState) -> usize {
        let newest = self.topics.len() - 1;
        let bound = log.source().and_then(|source| source.topics.get("t"));
        bound.map_or(newest, |bound| (0..newest).find(|number| id(*number) == *bound).unwrap_or(newest))
    }

    /// Numbers an attempt at messages of `topic`.
    pub fn read(&mut self, topic: Option<usize>) -> Attempt {
        let attempt = self.attempts.len() as Attempt + 1;
        self.attempts.insert(attempt, topic);
        attempt
    }
}

pub fn id(number: usize) -> String {
    format!("id-{number}")
}
