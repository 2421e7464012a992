//! Topics that do not exist (yet). The group says nothing of them, and librdkafka's error does not
//! name them: so a broker is asked, and the user is told which ones are waited for.

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
    /// It was said that there is none.
    told: bool,
}

impl Topics {
    /// Nothing is known of `names` yet.
    pub(super) fn new(names: Vec<String>) -> Self {
        Self { names, next_look: Some(Instant::now()), told: false }
    }

    /// The client met a topic that does not exist.
    pub(super) fn one_is_missing(&mut self) {
        self.next_look.get_or_insert_with(Instant::now);
    }

    /// Whether any broker answers now.
    pub(super) fn broker_answers(&self, partitions: &Partitions) -> bool {
        self.names.first().is_none_or(|topic| partitions.has_topic(topic).is_ok())
    }

    /// Looks for the topics if it is time to, and names those that are missing. True once: when none
    /// of them exists, so that the group will assign nothing.
    pub(super) fn none_exists(&mut self, partitions: &Partitions) -> bool {
        let now = Instant::now();
        if self.next_look.is_none_or(|at| now < at) {
            return false;
        }
        let mut missing = Vec::new();
        for topic in &self.names {
            match partitions.has_topic(topic) {
                Ok(true) => {}
                Ok(false) => missing.push(topic.as_str()),
                Err(error) => {
                    tracing::debug!(topic, %error, "the topic was not looked for");
                    self.next_look = Some(now + RETRY_INTERVAL);
                    return false;
                }
            }
        }
        self.next_look = (!missing.is_empty()).then(|| now + LOOK_INTERVAL);
        if !missing.is_empty() {
            tracing::warn!(topics = missing.join(", "), "these topics do not exist; waiting for them");
        }
        let none = missing.len() == self.names.len();
        none && !std::mem::replace(&mut self.told, none)
    }
}
