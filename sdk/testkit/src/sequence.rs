//! The lines of `input.jsonl` in their order: messages, which may say what input they are of and what key they have,
//! and moves of the watermark. Bytes enter; what each line says leaves, or what is wrong with it.

use serde::Deserialize;

use crate::timer::instant;

/// Keys that a line may begin with.
pub(crate) const INPUT: &str = "_input";
pub(crate) const KEY: &str = "_key";
const KEY_HEX: &str = "_key_hex";
pub(crate) const WATERMARK: &str = "_watermark";

/// What a line of the input says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A message.
    Message {
        /// Name of its input, if the line says it.
        input: Option<String>,
        /// Its key, if the line says it.
        key: Option<Vec<u8>>,
        /// As it stands in the topic.
        text: Vec<u8>,
    },
    /// The watermark moves, to microseconds since 1970.
    Move(i64),
}

/// Reads a line. Only its first keys are looked at: what follows `"_input": "…",` or `"_key": "…",` is the message to
/// the byte, be it JSON or not.
pub(crate) fn entry(line: &[u8]) -> Result<Entry, String> {
    if behind_key(line, WATERMARK).is_some() {
        return watermark(line).map(Entry::Move);
    }
    let (mut input, mut key, mut text) = (None, None, line.to_vec());
    loop {
        if let Some(rest) = behind_key(&text, INPUT).filter(|_| input.is_none()) {
            let (name, left) = text_value(rest, INPUT, "the name of an input")?;
            (input, text) = (Some(name), left);
        } else if let Some(rest) = behind_key(&text, KEY).filter(|_| key.is_none()) {
            let expected = "the key of the message, or \"_key_hex\" with its hexadecimal digits";
            let (value, left) = text_value(rest, KEY, expected)?;
            (key, text) = (Some(value.into_bytes()), left);
        } else if let Some(rest) = behind_key(&text, KEY_HEX).filter(|_| key.is_none()) {
            let (digits, left) = text_value(rest, KEY_HEX, "hexadecimal digits")?;
            let bytes = hex::decode(&digits);
            let bytes =
                bytes.map_err(|_| format!("`{KEY_HEX}` is `{digits}`; expected hexadecimal digits"))?;
            (key, text) = (Some(bytes), left);
        } else {
            return Ok(Entry::Message { input, key, text });
        }
    }
}

/// True if a line with these bytes of `input.jsonl` is a message with just these bytes: it begins with none of the keys
/// that say something of a message or of the watermark.
pub fn is_message_alone(line: &[u8]) -> bool {
    [INPUT, KEY, KEY_HEX, WATERMARK].iter().all(|key| behind_key(line, key).is_none())
}

/// The text that `rest` begins with, the value of `key`, and the object without both.
fn text_value(rest: &[u8], key: &str, expected: &str) -> Result<(String, Vec<u8>), String> {
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<String>();
    let Some(Ok(value)) = values.next() else {
        return Err(format!("`{key}` is no text; expected {expected}"));
    };
    let rest = rest[values.byte_offset()..].trim_ascii_start();
    let members = match rest.first() {
        Some(b',') => rest[1..].trim_ascii_start(),
        Some(b'}') => rest,
        _ => return Err(format!("expected a comma behind `\"{key}\": {}`", serde_json::Value::from(value))),
    };
    Ok((value, [b"{", members].concat()))
}

/// What stands behind the colon, if the line is an object that begins with this key.
fn behind_key<'a>(line: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let rest = line.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start();
    let rest = rest.strip_prefix(b"\"")?.strip_prefix(key.as_bytes())?.strip_prefix(b"\"")?;
    rest.trim_ascii_start().strip_prefix(b":")
}

fn watermark(line: &[u8]) -> Result<i64, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Move {
        _watermark: String,
    }
    let expected = || {
        format!(
            "expected {{\"{WATERMARK}\": \"2026-01-31T08:00:00Z\"}} and nothing else, or \"end\" once the inputs have ended"
        )
    };
    let typed: Move = serde_json::from_slice(line).map_err(|_| expected())?;
    instant(&typed._watermark).map_err(|wrong| format!("{wrong}; {}", expected()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_as_it_is_to_the_byte() {
        let check = |line: &str, input: Option<&str>, message: &str| {
            let (input, text) = (input.map(str::to_owned), message.as_bytes().to_vec());
            let expected = Entry::Message { input, key: None, text };
            assert_eq!(entry(line.as_bytes()), Ok(expected));
        };
        check(r#"{"a": 1.0}"#, None, r#"{"a": 1.0}"#);
        check(r#"{"a": 1, "_input": "b"}"#, None, r#"{"a": 1, "_input": "b"}"#);
        check(r#" {"_input" : "b" , "a": 1.0}"#, Some("b"), r#"{"a": 1.0}"#);
        check(r#"{"_input": "b\"", nonsense"#, Some("b\""), "{nonsense");
        check(r#"{"_input": "b"}"#, Some("b"), "{}");
        check("nonsense", None, "nonsense");
    }

    #[test]
    fn a_message_that_begins_with_such_a_key_is_not_alone() {
        let check = |line: &str, expect: bool| {
            assert_eq!(is_message_alone(line.as_bytes()), expect, "{line}");
            let message = Entry::Message { input: None, key: None, text: line.into() };
            assert_eq!(entry(line.as_bytes()) == Ok(message), expect, "{line}");
        };
        check(r#"{"_watermark":1,"a":1}"#, false);
        check(r#" { "_watermark" : "end"}"#, false);
        check(r#"{"_key":"z","a":1}"#, false);
        check(r#"{"_key":5}"#, false);
        check(r#"{"_key_hex":"00"}"#, false);
        check(r#"{"_input":"a"}"#, false);
        check(r#"{"a":1,"_key":"z"}"#, true);
        check(r#"{"_keys":"z"}"#, true);
        check(r#"{"_key""#, true);
        check("", true);
    }

    #[test]
    fn a_message_has_the_key_that_its_line_begins_with() {
        // Key, input and text.
        type Parts<'a> = (Option<&'a [u8]>, Option<&'a str>, &'a str);
        let check = |line: &str, expect: Result<Parts<'_>, &str>| {
            let found = match entry(line.as_bytes()) {
                Ok(Entry::Message { input, key, text }) => Ok((key, input, String::from_utf8(text).unwrap())),
                other => Err(format!("{other:?}")),
            };
            match (found, expect) {
                (Ok((key, input, text)), Ok(expect)) => {
                    assert_eq!((key.as_deref(), input.as_deref(), text.as_str()), expect, "{line}");
                }
                (Err(error), Err(expect)) => assert!(error.contains(expect), "{line}: {error}"),
                (found, _) => panic!("{line}: {found:?}"),
            }
        };
        check(r#"{"_key": "k", "a": 1.0}"#, Ok((Some(b"k"), None, r#"{"a": 1.0}"#)));
        check(r#"{"_key_hex": "00fF"}"#, Ok((Some(&[0, 255]), None, "{}")));
        check(r#"{"_key": "k", "_input": "b", "a": 1}"#, Ok((Some(b"k"), Some("b"), r#"{"a": 1}"#)));
        check(r#"{"_input": "b", "_key": "", nonsense"#, Ok((Some(b""), Some("b"), "{nonsense")));
        check(r#"{"_key": "k", "_key": "l"}"#, Ok((Some(b"k"), None, r#"{"_key": "l"}"#)));
        check(r#"{"_key": 5, "a": 1}"#, Err("`_key` is no text; expected the key of the message"));
        check(r#"{"_key_hex": "0", "a": 1}"#, Err("`_key_hex` is `0`; expected hexadecimal digits"));
        check(r#"{"_key": "k" 5}"#, Err("expected a comma behind"));
    }

    #[test]
    fn a_move_is_an_instant_or_the_end() {
        let moved = |line: &str| entry(line.as_bytes());
        assert_eq!(moved(r#"{"_watermark": "1970-01-01T00:00:01.000002Z"}"#), Ok(Entry::Move(1_000_002)));
        assert_eq!(moved(r#"{"_watermark": "end"}"#), Ok(Entry::Move(i64::MAX)));
        for line in [r#"{"_watermark": 5}"#, r#"{"_watermark": "10:00"}"#, r#"{"_watermark": "end", "a": 1}"#]
        {
            assert!(moved(line).unwrap_err().contains("expected {\"_watermark\": "), "{line}");
        }
        assert!(moved(r#"{"_input": 5, "a": 1}"#).unwrap_err().contains("expected the name of an input"));
        assert!(moved(r#"{"_input": "a" 5}"#).unwrap_err().contains("expected a comma"));
    }
}
