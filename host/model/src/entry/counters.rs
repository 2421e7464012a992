//! What became of messages, in numbers that stay few however many entries there are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What became of the messages of one stream. `messages = curated records + dropped + dead`, where
/// `emitted` counts rows that steps originated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// Messages read.
    pub r#in: u64,
    /// Messages of which at least the message itself reached the curated table.
    pub out: u64,
    /// Messages that steps dropped, by step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<String, u64>,
    /// Messages that became dead letters, by reason; at most [`Counters::REASONS_MAX`] reasons, the rest under
    /// [`Counters::OTHER_REASONS`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dead: BTreeMap<String, u64>,
    /// Rows added, by table.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rows: BTreeMap<String, u64>,
    /// How often a field stood in a message that no column declares, by field; at most
    /// [`Counters::DRIFT_FIELDS_MAX`] names, the rest under [`Counters::OTHER_FIELDS`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub drift: BTreeMap<String, u64>,
    /// Messages that were late, whatever became of them: their event time was before their partition's
    /// watermark.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late: u64,
    /// Messages whose event time was too far ahead of their timestamp to move the watermark.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ahead: u64,
}

impl Counters {
    /// Reasons of dead letters that are counted by name. The letters themselves keep theirs.
    pub const REASONS_MAX: usize = 64;
    /// Where reasons beyond the limit are counted.
    pub const OTHER_REASONS: &str = "other reasons";
    /// Undeclared fields that are counted by name.
    pub const DRIFT_FIELDS_MAX: usize = 64;
    /// Where undeclared fields beyond the limit are counted.
    pub const OTHER_FIELDS: &str = "other fields";

    /// Adds the counts of `more`.
    pub fn add(&mut self, more: &Self) {
        self.r#in = self.r#in.saturating_add(more.r#in);
        self.out = self.out.saturating_add(more.out);
        self.late = self.late.saturating_add(more.late);
        self.ahead = self.ahead.saturating_add(more.ahead);
        for (sums, counts) in [(&mut self.dropped, &more.dropped), (&mut self.rows, &more.rows)] {
            for (key, count) in counts {
                add_to(sums, key, *count);
            }
        }
        for (reason, count) in &more.dead {
            self.add_dead(reason, *count);
        }
        for (field, count) in &more.drift {
            add_up_to(&mut self.drift, Self::DRIFT_FIELDS_MAX, Self::OTHER_FIELDS, field, *count);
        }
    }

    /// Adds `messages` dead letters of `reason`.
    pub fn add_dead(&mut self, reason: &str, messages: u64) {
        add_up_to(&mut self.dead, Self::REASONS_MAX, Self::OTHER_REASONS, reason, messages);
    }
}

/// Adds to the sum of `key`, or to that of `others` if `keys_max` other keys are there already. Which keys are
/// known depends on the order of the additions and nothing else.
fn add_up_to(sums: &mut BTreeMap<String, u64>, keys_max: usize, others: &str, key: &str, count: u64) {
    let known = sums.contains_key(key) || sums.len() < keys_max;
    add_to(sums, if known { key } else { others }, count);
}

fn add_to(sums: &mut BTreeMap<String, u64>, key: &str, count: u64) {
    let sum = sums.entry(key.to_owned()).or_default();
    *sum = sum.saturating_add(count);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A producer that makes up field names must not make the log's totals grow without end.
    #[test]
    fn drift_is_counted_by_name_up_to_a_limit() {
        let mut sum = Counters::default();
        for field in 0..100 {
            let drift = BTreeMap::from([(format!("field {field}"), 2)]);
            sum.add(&Counters { drift, ..Counters::default() });
        }
        assert_eq!(sum.drift.len(), Counters::DRIFT_FIELDS_MAX + 1);
        assert_eq!(sum.drift[Counters::OTHER_FIELDS], 2 * 36);
        assert_eq!(sum.drift.values().sum::<u64>(), 200);
    }

    /// Reasons name what stood in a message, so they were as many as the messages: the log's totals grew with
    /// every entry.
    #[test]
    fn reasons_are_counted_by_name_up_to_a_limit() {
        let mut sum = Counters::default();
        for reason in 0..100 {
            let dead = BTreeMap::from([(format!("reason {reason}"), 2)]);
            sum.add(&Counters { r#in: 2, dead, ..Counters::default() });
        }
        assert_eq!(sum.dead.len(), Counters::REASONS_MAX + 1);
        assert_eq!(sum.dead[Counters::OTHER_REASONS], 2 * 36);
        assert_eq!(sum.dead.values().sum::<u64>(), sum.r#in);
        sum.add(&Counters { dead: BTreeMap::from([("reason 3".to_owned(), 1)]), ..Counters::default() });
        assert_eq!(sum.dead["reason 3"], 3, "a known reason keeps its name");
    }
}
