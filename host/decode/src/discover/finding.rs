//! What is noticed about a topic beside its schema, for people to decide about.

use std::collections::BTreeMap;

use serde::Serialize;

use super::profile::TopicProfile;
use super::vocabulary::Vocabulary;
use crate::spelling::{self, Likeness};

/// A value counts as rare beside one that is so many times as frequent.
const RARE: u64 = 50;
/// Rows with a value from which on it is meant, however frequent another one is.
const MANY: u64 = 100;
/// Shortest value that can be a misspelling; one slip apart is enough for short words to be other ones.
const VALUE_CHARACTERS_MIN: usize = 5;

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
    /// A field is declared to be an alias of another, under a name that is not like it.
    DeclaredAlias,
    /// A value looks like a misspelling of another.
    MisspeltValue,
    /// Numbers are written as texts.
    NumberAsText,
    /// Nearly all values are of one kind, and a few are not.
    MixedKinds,
    /// Fields that hardly any message has, of very many.
    RareFields,
    /// Fields that no path can name, or too many.
    Unnameable,
    /// Messages that are no JSON object.
    Malformed,
}

impl FindingKind {
    /// The kind of an alias.
    pub(super) fn of(likeness: Option<Likeness>) -> Self {
        match likeness {
            Some(Likeness::Spelling) => Self::OtherSpelling,
            Some(Likeness::Initials) => Self::Initials,
            Some(Likeness::Slip) => Self::MisspeltField,
            None => Self::DeclaredAlias,
        }
    }
}

/// In words: how `field` may be `like`.
pub(super) fn alias_message(field: &str, like: &str, by: Option<Likeness>) -> String {
    match by {
        Some(Likeness::Spelling) => format!("`{field}` is `{like}` in another spelling"),
        Some(Likeness::Initials) => format!("`{field}` may stand for `{like}`"),
        Some(Likeness::Slip) => format!("`{field}` looks like a misspelling of `{like}`"),
        None => format!("`{field}` is an alias of `{like}`"),
    }
}

/// A column whose values are nearly all `what`; `misfits` of `values` are not, such as `example`.
pub(super) fn mixed_kinds(
    column: &str,
    what: &str,
    (misfits, values): (u64, u64),
    example: Option<&str>,
) -> Finding {
    let percent = (100.0 * (values - misfits) as f64 / values.max(1) as f64).min(99.99);
    let example = example.map_or(String::new(), |example| format!(", such as {example}"));
    let message = format!(
        "`{column}` is {what} in {percent:.2} % of its {values} values, and {misfits} are not{example}: \
         mismatch = \"null\" leaves the column null there; without it they become dead letters, and as \
         type = \"json\" all of them are kept"
    );
    Finding { kind: FindingKind::MixedKinds, field: column.to_owned(), like: None, message }
}

/// Fields left out because hardly any message has them.
pub(super) fn rare_fields(left_out: usize) -> Option<Finding> {
    let message = format!(
        "{left_out} fields that fewer than 1 % of the messages have are left out; \
         `millstream schema check --json` lists them, and unknown_fields = \"keep\" keeps them"
    );
    let finding = Finding { kind: FindingKind::RareFields, field: String::new(), like: None, message };
    (left_out > 0).then_some(finding)
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

/// The most frequent value that `value` is one slip away from, if it is rare beside that. Sentences differ
/// by a word or two because they mean to.
fn meant<'a>(value: &str, known: &'a BTreeMap<String, u64>) -> Option<&'a String> {
    let is_long = |value: &str| value.chars().count() >= VALUE_CHARACTERS_MIN;
    let count = known[value];
    if value.contains(char::is_whitespace) || !is_long(value) || count >= MANY {
        return None;
    }
    let near = known.iter().filter(|(other, times)| {
        count * RARE <= **times && is_long(other) && spelling::is_one_slip(value, other)
    });
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
