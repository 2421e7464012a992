//! Topics that do not exist (yet, or any more). The group says nothing of them, and librdkafka's error does
//! not name them: so a broker is asked, and the user is told which ones are waited for.

use std::time::{Duration, Instant};

use super::kafka_partitions::Partitions;

/// How often missing topics are looked for, and named.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);
/// When to look again if no broker answered.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// The topics that were asked for.
pub(super) struct Topics {
    names: Vec<String>,
    /// When to look for them; `None` while all are there.
    next_look: Option<Instant>,
    /// Those that were missing at the last look; `None` before the first.
    missing: Option<Vec<String>>,
}

impl Topics {
    /// Nothing is known of `names` yet.
    pub(super) fn new(names: Vec<String>) -> Self {
        Self { names, next_look: Some(Instant::now()), missing: None }
    }

    /// All of them.
    pub(super) fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    /// The client met a topic that does not exist.
    pub(super) fn one_is_missing(&mut self) {
        self.next_look.get_or_insert_with(Instant::now);
    }

    /// Partitions were given or taken: a missing topic may have come, or one may have gone.
    pub(super) fn partitions_moved(&mut self) {
        self.next_look = Some(Instant::now());
    }

    /// Whether any broker answers now.
    pub(super) fn broker_answers(&self, partitions: &Partitions) -> bool {
        self.names.first().is_none_or(|topic| partitions.has_topic(topic).is_ok())
    }

    /// True if there is none of them, so that the group will assign nothing.
    pub(super) fn none_exists(&self) -> bool {
        self.missing.as_ref().is_some_and(|missing| missing.len() == self.names.len())
    }

    /// Looks for the topics if it is time to, and names those that are missing. Gives them if they are others
    /// than before.
    pub(super) fn look(&mut self, partitions: &Partitions) -> Option<Vec<String>> {
        let now = Instant::now();
        if self.next_look.is_none_or(|at| now < at) {
            return None;
        }
        let mut missing = Vec::new();
        for topic in &self.names {
            match partitions.has_topic(topic) {
                Ok(true) => {}
                Ok(false) => missing.push(topic.clone()),
                Err(error) => {
                    tracing::debug!(topic, %error, "the topic was not looked for");
                    self.next_look = Some(now + RETRY_INTERVAL);
                    return None;
                }
            }
        }
        self.next_look = (!missing.is_empty()).then(|| now + LOOK_INTERVAL);
        if !missing.is_empty() {
            tracing::warn!(topics = missing.join(", "), "these topics do not exist; waiting for them");
        }
        let changed = self.missing.as_ref() != Some(&missing);
        self.missing = Some(missing.clone());
        changed.then_some(missing)
    }
}
