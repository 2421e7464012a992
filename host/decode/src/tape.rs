//! One message parsed to a tape: the parser's buffers, reused from message to message, and what
//! a tape's nodes say about their size. A tape is flat: a container's node is followed by its `count`
//! nodes, so walking it needs no recursion of its own.

use simd_json::{Buffers, Node, Tape, fill_tape};

use super::malformed;
use super::number;
use super::plan::LEVELS_MAX;

/// After a message longer than this the buffers are given back.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// Parses messages, one after the other.
pub(crate) struct Parser {
    buffers: Buffers,
    scratch: Vec<u8>,
    tape: Tape<'static>,
}

impl Parser {
    pub fn new() -> Self {
        Self { buffers: Buffers::default(), scratch: Vec::new(), tape: Tape(Vec::new()) }
    }

    /// Parses `message` and hands its tape to `read`. Fails, with a reason that holds no value of
    /// the message, unless it is one JSON object nested at most [`LEVELS_MAX`] levels deep.
    pub fn parse<T>(&mut self, message: &[u8], read: impl FnOnce(&[Node<'_>]) -> T) -> Result<T, String> {
        self.scratch.clear();
        self.scratch.extend_from_slice(message);
        let mut tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let parsed = fill_tape(&mut self.scratch, &mut self.buffers, &mut tape);
        let result = match parsed {
            Ok(()) => check(message, &tape.0).map(|()| read(&tape.0)),
            Err(error) => Err(malformed::reason(message, &error)),
        };
        self.tape = tape.reset();
        if message.len() > KEPT_BYTES_MAX {
            *self = Self::new();
        }
        result
    }

    /// Bytes that are kept for the next message.
    #[cfg(test)]
    pub fn kept_bytes(&self) -> usize {
        self.scratch.capacity() + self.tape.0.capacity() * size_of::<Node<'_>>()
    }
}

/// Number of nodes that the value at the front of `nodes` takes.
#[inline]
pub(super) fn width(node: &Node<'_>) -> usize {
    match node {
        Node::Object { count, .. } | Node::Array { count, .. } => count + 1,
        Node::String(_) | Node::Static(_) => 1,
    }
}

fn check(message: &[u8], tape: &[Node<'_>]) -> Result<(), String> {
    if has_nul_or_escape(message) {
        // simd-json 0.17 lets NUL follow a literal or a number.
        if message.contains(&0) {
            return Err("malformed JSON: control character".to_owned());
        }
        if malformed::has_lone_surrogate(message) {
            return Err("malformed JSON: lone surrogate".to_owned());
        }
    }
    if let Some(error) = number::misread(message) {
        return Err(format!("malformed JSON: {error}"));
    }
    if is_deep(tape) {
        return Err(format!("nested deeper than {LEVELS_MAX} levels"));
    }
    match tape.first() {
        Some(Node::Object { .. }) => Ok(()),
        Some(other) => Err(format!("not a JSON object: found {}", malformed::kind(other))),
        None => Err("empty message".to_owned()),
    }
}

/// One pass without branches, for hardly a message has either.
fn has_nul_or_escape(message: &[u8]) -> bool {
    message.iter().fold(0, |found, byte| found | u8::from(*byte == 0) | u8::from(*byte == b'\\')) != 0
}

/// True if containers are nested deeper than [`LEVELS_MAX`].
fn is_deep(tape: &[Node<'_>]) -> bool {
    let is_container = |node: &&Node<'_>| matches!(node, Node::Object { .. } | Node::Array { .. });
    if tape.iter().filter(is_container).count() <= LEVELS_MAX {
        return false;
    }
    let mut ends = Vec::with_capacity(LEVELS_MAX + 1);
    for (at, node) in tape.iter().enumerate() {
        while ends.last().is_some_and(|end| *end <= at) {
            ends.pop();
        }
        if is_container(&node) {
            ends.push(at + width(node));
        }
        if ends.len() > LEVELS_MAX {
            return true;
        }
    }
    false
}
