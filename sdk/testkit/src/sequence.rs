//! The lines of `input.jsonl` in their order: messages, which may say what input they are of, and moves of the
//! watermark. Bytes enter; what each line says leaves, or what is wrong with it.

use serde::Deserialize;

use crate::timer::instant;

/// Keys that a line may begin with.
pub(crate) const INPUT: &str = "_input";
pub(crate) const WATERMARK: &str = "_watermark";

/// What a line of the input says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A message.
    Message {
        /// Name of its input, if the line says it.
        input: Option<String>,
        /// As it stands in the topic.
        text: Vec<u8>,
    },
    /// The watermark moves, to microseconds since 1970.
    Move(i64),
}

/// Reads a line. Only its first key is looked at: what follows `"_input": "…",` is the message to the byte, be it
/// JSON or not.
pub(crate) fn entry(line: &[u8]) -> Result<Entry, String> {
    if behind_key(line, WATERMARK).is_some() {
        return watermark(line).map(Entry::Move);
    }
    let Some(rest) = behind_key(line, INPUT) else {
        return Ok(Entry::Message { input: None, text: line.to_vec() });
    };
    let mut names = serde_json::Deserializer::from_slice(rest).into_iter::<String>();
    let Some(Ok(name)) = names.next() else {
        return Err(format!("`{INPUT}` is no text; expected the name of an input"));
    };
    let rest = rest[names.byte_offset()..].trim_ascii_start();
    let members = match rest.first() {
        Some(b',') => rest[1..].trim_ascii_start(),
        Some(b'}') => rest,
        _ => return Err(format!("expected a comma behind `\"{INPUT}\": {}`", serde_json::Value::from(name))),
    };
    Ok(Entry::Message { input: Some(name), text: [b"{", members].concat() })
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
            let expected =
                Entry::Message { input: input.map(str::to_owned), text: message.as_bytes().to_vec() };
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
