//! What is noticed about a topic beside its schema, for people to decide about.

use std::collections::BTreeMap;

use serde::Serialize;

use super::profile::TopicProfile;
use super::vocabulary::Vocabulary;
use crate::spelling::{Likeness, likeness};

/// A value counts as rare beside one that is so many times as frequent.
const RARE: u64 = 2;

/// Something noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// Dotted path of the field.
    pub field: String,
    /// The field or value that was probably meant, if another one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
    /// In words.
    pub message: String,
}

/// Kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A field looks like a misspelling of another.
    MisspeltField,
    /// A field is another one in other letters: case, `_`, `-`.
    OtherSpelling,
    /// A field's name is made of the first letters of another's.
    Initials,
    /// A value looks like a misspelling of another.
    MisspeltValue,
    /// Numbers are written as texts.
    NumberAsText,
    /// Fields that no path can name, or too many.
    Unnameable,
    /// Messages that are no JSON object.
    Malformed,
}

impl FindingKind {
    /// The kind of an alias.
    pub(super) fn of(likeness: Likeness) -> Self {
        match likeness {
            Likeness::Spelling => Self::OtherSpelling,
            Likeness::Initials => Self::Initials,
            Likeness::Slip => Self::MisspeltField,
        }
    }
}

/// In words: how `field` may be `like`.
pub(super) fn alias_message(field: &str, like: &str, by: Likeness) -> String {
    match by {
        Likeness::Spelling => format!("`{field}` is `{like}` in another spelling"),
        Likeness::Initials => format!("`{field}` may stand for `{like}`"),
        Likeness::Slip => format!("`{field}` looks like a misspelling of `{like}`"),
    }
}

/// Values that look misspelt, in fields with few of them: rare beside a value that is one slip away, here or
/// in another topic's field of the same name. `path` is the field, `name` what it is called elsewhere.
pub(super) fn misspelt_values(
    profile: &TopicProfile,
    (path, name): (&str, &str),
    vocabulary: &Vocabulary,
) -> Vec<Finding> {
    let Some(values) = profile.field(path).and_then(|field| field.values()) else { return Vec::new() };
    let repeats = values.values().sum::<u64>() >= 2 * values.len() as u64;
    let mut known = values.clone();
    for (value, count) in vocabulary.values(name, profile.topic()).flatten() {
        *known.entry(value.clone()).or_default() += count;
    }
    let suspects = values.keys().filter(|_| repeats);
    let findings = suspects.filter_map(|value| {
        let like = meant(value, &known)?;
        let counts = format!("{} and {} times", known[value], known[like]);
        Some(Finding {
            kind: FindingKind::MisspeltValue,
            field: path.to_owned(),
            like: Some(like.clone()),
            message: format!("value `{value}` of `{path}` looks like a misspelling of `{like}` ({counts})"),
        })
    });
    findings.collect()
}

/// The most frequent value that `value` is a slip away from, if it is rare beside that. Sentences differ by
/// a word or two because they mean to.
fn meant<'a>(value: &str, known: &'a BTreeMap<String, u64>) -> Option<&'a String> {
    if value.contains(char::is_whitespace) {
        return None;
    }
    let count = known[value];
    let near = known
        .iter()
        .filter(|(other, times)| count * RARE <= **times && likeness(value, other) == Some(Likeness::Slip));
    near.max_by_key(|(_, times)| **times).map(|(other, _)| other)
}

/// What cannot become a column, and what is no message.
pub(super) fn of_topic(profile: &TopicProfile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |kind, message| findings.push(Finding { kind, field: String::new(), like: None, message });
    for (reason, seen) in profile.malformed() {
        let first = seen.first.map_or(String::new(), |at| format!(", first {}/{}", at.partition, at.offset));
        add(FindingKind::Malformed, format!("{} messages become dead letters: {reason}{first}", seen.count));
    }
    if profile.unaddressable().count > 0 {
        let count = profile.unaddressable().count;
        add(
            FindingKind::Unnameable,
            format!(
                "{count} times a field's key is empty, very long or holds a dot or bracket: no column can read it"
            ),
        );
    }
    if profile.beyond().count > 0 {
        let count = profile.beyond().count;
        add(
            FindingKind::Unnameable,
            format!("{count} values are of fields beyond the first thousand: left out"),
        );
    }
    findings
}
