//! Whose offsets a log holds: compares what it is bound to with the source at hand. Pure; reading the ids
//! and writing the binding is for others.

use std::collections::BTreeMap;

use millstream_log::LogState;

use crate::error::RunError;

/// Those of the topics that the log is not bound to yet, with their ids.
///
/// # Errors
/// [`RunError::TopicRecreated`] if a topic has another id than the one that the log's offsets are of. `lake` is named
/// in it.
pub fn unbound(
    log: &LogState,
    ids: &BTreeMap<String, String>,
    lake: &str,
) -> Result<BTreeMap<String, String>, RunError> {
    let bound = log.source().map(|source| &source.topics);
    let mut unbound = BTreeMap::new();
    for (topic, found) in ids {
        match bound.and_then(|bound| bound.get(topic)) {
            Some(bound) if bound == found => {}
            Some(bound) => {
                return Err(RunError::TopicRecreated {
                    topic: topic.clone(),
                    lake: lake.to_owned(),
                    bound: bound.clone(),
                    found: found.clone(),
                });
            }
            None => drop(unbound.insert(topic.clone(), found.clone())),
        }
    }
    Ok(unbound)
}
