//! Patterns of plugins' names.

use crate::error::PinError;

/// A name, or the beginning of names. Ordered so that what says more about a name is greater.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: String,
    whole: bool,
}

impl Pattern {
    pub(crate) fn parse(pattern: &str) -> Result<Self, PinError> {
        let (text, whole) = match pattern.strip_suffix('*') {
            Some(beginning) => (beginning, false),
            None => (pattern, true),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !text.chars().all(legal) || (whole && text.is_empty()) {
            return Err(PinError::Pattern);
        }
        Ok(Self { text: text.to_owned(), whole })
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        if self.whole { name == self.text } else { name.starts_with(&self.text) }
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let rank = |pattern: &Self| (pattern.whole, pattern.text.len());
        rank(self).cmp(&rank(other)).then_with(|| self.text.cmp(&other.text))
    }
}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
