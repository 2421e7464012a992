//! Writes values of a tape as compact JSON text: whole values, and objects of those fields that no
//! column declares. Integers stay as they are; other numbers are written as the nearest `f64` in its
//! shortest form, for the tape does not hold their text.

use std::fmt::Write as _;

use simd_json::{Node, StaticNode};

use super::plan::{NodeId, Plan};
use super::tape::width;
use super::walk::is_null;

/// Writes the value at the front of `value`. Its nesting is bounded, so recursion is.
pub(crate) fn write_value(value: &[Node<'_>], out: &mut String) {
    match &value[0] {
        Node::String(text) => write_string(text, out),
        Node::Static(value) => write_static(*value, out),
        Node::Object { .. } => {
            out.push('{');
            for (number, (key, member)) in members(value).enumerate() {
                separate(number, out);
                write_string(key, out);
                out.push(':');
                write_value(member, out);
            }
            out.push('}');
        }
        Node::Array { .. } => {
            out.push('[');
            for (number, element) in elements(value).enumerate() {
                separate(number, out);
                write_value(element, out);
            }
            out.push(']');
        }
    }
}

/// Writes an object of the fields of `value`, the object at `node`, that no column declares, in
/// the message's order. Partly declared objects appear with their undeclared members, partly declared
/// arrays with null in place of declared elements.
pub(super) fn write_undeclared(plan: &Plan, node: NodeId, value: &[Node<'_>], out: &mut String) {
    out.push('{');
    let mut written = 0;
    for (key, member) in members(value) {
        let child = plan.nodes[node].keys.get(key).copied();
        if child.is_some_and(|child| !undeclared_below(plan, child, member)) {
            continue;
        }
        separate(written, out);
        written += 1;
        write_string(key, out);
        out.push(':');
        match child {
            Some(child) => write_partly(plan, child, member, out),
            None => write_value(member, out),
        }
    }
    out.push('}');
}

/// True if something in `value`, at the declared place `node`, is read by no column.
fn undeclared_below(plan: &Plan, node: NodeId, value: &[Node<'_>]) -> bool {
    let place = &plan.nodes[node];
    if place.takes(&value[0]) || is_null(&value[0]) {
        return false;
    }
    let below = |child: Option<NodeId>, value| child.is_none_or(|child| undeclared_below(plan, child, value));
    match &value[0] {
        Node::Object { .. } if !place.keys.is_empty() => {
            members(value).any(|(key, member)| below(place.keys.get(key).copied(), member))
        }
        Node::Array { .. } if !place.elements.is_empty() => {
            elements(value).enumerate().any(|(index, element)| below(place.element(index), element))
        }
        _ => true,
    }
}

fn write_partly(plan: &Plan, node: NodeId, value: &[Node<'_>], out: &mut String) {
    let place = &plan.nodes[node];
    match &value[0] {
        Node::Object { .. } if !place.keys.is_empty() => write_undeclared(plan, node, value, out),
        Node::Array { .. } if !place.elements.is_empty() => {
            out.push('[');
            for (index, element) in elements(value).enumerate() {
                separate(index, out);
                match place.element(index) {
                    None => write_value(element, out),
                    Some(child) if undeclared_below(plan, child, element) => {
                        write_partly(plan, child, element, out);
                    }
                    Some(_) => out.push_str("null"),
                }
            }
            out.push(']');
        }
        _ => write_value(value, out),
    }
}

/// Keys and values of the object at the front of `value`; nothing if it is none.
pub(crate) fn members<'t, 'i>(value: &'t [Node<'i>]) -> impl Iterator<Item = (&'i str, &'t [Node<'i>])> {
    let len = if let Node::Object { len, .. } = value[0] { len } else { 0 };
    let mut rest = &value[1..];
    (0..len).map_while(move |_| {
        let (Node::String(key), after) = rest.split_first()? else { return None };
        let (member, next) = after.split_at(width(after.first()?));
        rest = next;
        Some((*key, member))
    })
}

/// Elements of the array at the front of `value`; nothing if it is none.
pub(crate) fn elements<'t, 'i>(value: &'t [Node<'i>]) -> impl Iterator<Item = &'t [Node<'i>]> {
    let len = if let Node::Array { len, .. } = value[0] { len } else { 0 };
    let mut rest = &value[1..];
    (0..len).map_while(move |_| {
        let (element, next) = rest.split_at(width(rest.first()?));
        rest = next;
        Some(element)
    })
}

fn separate(number: usize, out: &mut String) {
    if number > 0 {
        out.push(',');
    }
}

fn write_static(value: StaticNode, out: &mut String) {
    let written = match value {
        StaticNode::I64(number) => write!(out, "{number}"),
        StaticNode::U64(number) => write!(out, "{number}"),
        // Debug writes an exponent where Display would write hundreds of digits.
        StaticNode::F64(number) => write!(out, "{number:?}"),
        StaticNode::Bool(value) => write!(out, "{value}"),
        StaticNode::Null => out.write_str("null"),
    };
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => out.push_str(&format!("\\u{control:04x}")),
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}
