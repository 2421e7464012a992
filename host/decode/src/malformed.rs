//! Says why bytes are not JSON, in few and steady words: no position, no value of the message. Called
//! only for messages that the parser refused, so it may read them once more with serde_json, which
//! names its errors better.

use serde::de::IgnoredAny;
use simd_json::{Error, Node, StaticNode};

/// Why `message` is not JSON; `error` is what the fast parser said.
#[cold]
pub(super) fn reason(message: &[u8], error: &Error) -> String {
    if message.is_empty() {
        return "empty message".to_owned();
    }
    if message.starts_with(b"\xEF\xBB\xBF") {
        return "malformed JSON: begins with a byte order mark".to_owned();
    }
    if message.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
        return "blank message".to_owned();
    }
    let Ok(text) = std::str::from_utf8(message) else { return "not UTF-8".to_owned() };
    let category = grammar_error(text).unwrap_or_else(|| format!("{:?}", error.error()));
    format!("malformed JSON: {category}")
}

/// True if a text of `rest`, which is JSON, escapes half of a surrogate pair: it stands for no
/// character, and simd-json 0.17 reads it as NUL.
#[cold]
pub(super) fn has_lone_surrogate(mut rest: &[u8]) -> bool {
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        rest = &rest[at..];
        let (is_lone, length) = match escaped_unit(rest) {
            Some(0xD800..=0xDBFF) => {
                let low = rest.get(6..).and_then(escaped_unit);
                (!matches!(low, Some(0xDC00..=0xDFFF)), 12)
            }
            Some(0xDC00..=0xDFFF) => (true, 6),
            _ => (false, 2),
        };
        if is_lone {
            return true;
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    false
}

/// The UTF-16 unit that `text` begins with, if it begins with `\u` and four hexadecimal digits.
fn escaped_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// What kind of value a node is, with its article.
pub(super) fn kind(node: &Node<'_>) -> &'static str {
    match node {
        Node::String(_) => "a string",
        Node::Object { .. } => "an object",
        Node::Array { .. } => "an array",
        Node::Static(StaticNode::Null) => "null",
        Node::Static(StaticNode::Bool(_)) => "a boolean",
        Node::Static(_) => "a number",
    }
}

/// The error of the grammar, else of the values (a lone surrogate, a number past every bound).
fn grammar_error(text: &str) -> Option<String> {
    let error = match serde_json::from_str::<IgnoredAny>(text) {
        Err(error) => error,
        Ok(_) => serde_json::from_str::<serde_json::Value>(text).err()?,
    };
    let said = error.to_string();
    let category = said.split(" at line ").next().unwrap_or(&said);
    Some(match category {
        "lone leading surrogate in hex escape" => "lone surrogate".to_owned(),
        "EOF while parsing a string" => "unterminated string".to_owned(),
        eof if eof.starts_with("EOF while parsing") => "unexpected end".to_owned(),
        control if control.starts_with("control character") => "control character in a string".to_owned(),
        other => other.to_owned(),
    })
}
