//! Words: the canonical ones of a vocabulary, and the spellings that mean them. Case, blanks and
//! punctuation do not count. A plugin's own vocabularies are tables for [`look_up`]; the compass, which
//! several streams have, is here.

use std::collections::BTreeMap;

use crate::config::{Problem, Treatment};

/// Longest spelling that is looked up, in letters and digits.
const KEY_BYTES_MAX: usize = 24;

/// The canonical word that a text means, if it is one.
pub type Vocabulary = fn(&str) -> Option<&'static str>;

/// Looks the letters and digits of `text`, in lower case, up in `table`. None if they are too many, or not
/// ASCII: no spelling that is known has such.
pub fn look_up(text: &str, table: impl Fn(&[u8]) -> Option<&'static str>) -> Option<&'static str> {
    let mut buffer = [0; KEY_BYTES_MAX];
    let mut length = 0;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            *buffer.get_mut(length)? = byte.to_ascii_lowercase();
            length += 1;
        } else if !byte.is_ascii() {
            return None;
        }
    }
    table(&buffer[..length])
}

/// The canonical compass direction, one of sixteen: North, North-North-East, North-East, ...
pub fn direction(text: &str) -> Option<&'static str> {
    look_up(text, |key| {
        Some(match key.strip_suffix(b"bound").unwrap_or(key) {
            b"n" | b"north" => "North",
            b"nne" | b"northnortheast" => "North-North-East",
            b"ne" | b"northeast" => "North-East",
            b"ene" | b"eastnortheast" => "East-North-East",
            b"e" | b"east" => "East",
            b"ese" | b"eastsoutheast" => "East-South-East",
            b"se" | b"southeast" => "South-East",
            b"sse" | b"southsoutheast" => "South-South-East",
            b"s" | b"south" => "South",
            b"ssw" | b"southsouthwest" => "South-South-West",
            b"sw" | b"southwest" => "South-West",
            b"wsw" | b"westsouthwest" => "West-South-West",
            b"w" | b"west" => "West",
            b"wnw" | b"westnorthwest" => "West-North-West",
            b"nw" | b"northwest" => "North-West",
            b"nnw" | b"northnorthwest" => "North-North-West",
            _ => return None,
        })
    })
}

/// Brings words to those of vocabularies, with the spellings that a configuration adds.
#[derive(Clone, Debug)]
pub struct Words {
    spellings: Vec<(String, &'static str)>,
    refuse_unknown: bool,
}

impl Words {
    /// `spellings` are meant as words of `vocabularies`: `Actice` as `Active`. Their case does not count.
    ///
    /// # Errors
    /// If one is meant as a word that is in none of them.
    pub fn new(
        spellings: BTreeMap<String, String>,
        unknown: Treatment,
        vocabularies: &[Vocabulary],
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut known = Vec::new();
        for (spelling, meaning) in spellings {
            match vocabularies.iter().find_map(|vocabulary| vocabulary(&meaning)) {
                Some(word) => known.push((spelling.trim().to_owned(), word)),
                None => problems.push(Problem::Meaning { spelling, meaning }),
            }
        }
        let refuse_unknown = unknown == Treatment::Reject;
        if problems.is_empty() { Ok(Self { spellings: known, refuse_unknown }) } else { Err(problems) }
    }

    /// Replaces a word by its canonical form, or an unknown one by itself without blanks around it.
    /// Returns whether it may go on; null always may.
    pub fn normalise(
        &self,
        word: &mut Option<&str>,
        vocabulary: impl Fn(&str) -> Option<&'static str>,
    ) -> bool {
        let Some(text) = *word else { return true };
        let found = vocabulary(text).or_else(|| self.meaning(text, vocabulary));
        *word = found.or(Some(text.trim()));
        found.is_some() || !self.refuse_unknown
    }

    /// What a configured spelling means, if that is a word of `vocabulary`.
    #[cold]
    fn meaning(&self, text: &str, vocabulary: impl Fn(&str) -> Option<&'static str>) -> Option<&'static str> {
        let same = |(spelling, _): &&(String, &str)| spelling.eq_ignore_ascii_case(text.trim());
        self.spellings.iter().find(same).and_then(|(_, word)| vocabulary(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions() {
        let check = |text: &str, expect| assert_eq!(direction(text), expect, "{text}");
        check("North-East", Some("North-East"));
        check("north east", Some("North-East"));
        check("NE", Some("North-East"));
        check("southbound", Some("South"));
        check("n.n.w.", Some("North-North-West"));
        check("bound", None);
        check("", None);
        check("Nörth", None);
        check("north, or so the seller says", None);
        check("312.7", None);
        for word in ["North", "East-South-East", "South-West", "North-North-West"] {
            check(word, Some(word));
        }
    }

    fn words(unknown: Treatment) -> Words {
        let spellings = [("Norht".to_owned(), "n".to_owned()), ("Haut".to_owned(), "North".to_owned())];
        Words::new(spellings.into(), unknown, &[direction]).unwrap()
    }

    #[test]
    fn spellings_are_meant_as_configured() {
        let check = |unknown, text: Option<&str>, expect: Option<&str>, goes_on| {
            let mut word = text;
            assert_eq!(words(unknown).normalise(&mut word, direction), goes_on, "{text:?}");
            assert_eq!(word, expect, "{text:?}");
        };
        for unknown in [Treatment::Keep, Treatment::Reject] {
            check(unknown, Some(" NORTH"), Some("North"), true);
            check(unknown, Some(" norht "), Some("North"), true);
            check(unknown, Some("haut"), Some("North"), true);
            check(unknown, None, None, true);
            check(unknown, Some(" up "), Some("up"), unknown == Treatment::Keep);
        }
    }

    /// A spelling of one vocabulary is none of another.
    #[test]
    fn meanings_are_words_of_the_column() {
        let mut word = Some("norht");
        assert!(words(Treatment::Keep).normalise(&mut word, |_| None));
        assert_eq!(word, Some("norht"));
        let up = [("Norht".to_owned(), "Up".to_owned())].into();
        let problems = Words::new(up, Treatment::Keep, &[direction]).unwrap_err();
        assert_eq!(problems[0].key(), "spellings.Norht");
    }
}
