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
        "EOF while parsing a string" => "unterminated string".to_owned(),
        eof if eof.starts_with("EOF while parsing") => "unexpected end".to_owned(),
        control if control.starts_with("control character") => "control character in a string".to_owned(),
        other => other.to_owned(),
    })
}
