//! Why a message could not be decoded, in words that hold field names and never values, so that
//! reasons can be counted. Only called for messages that fail.

use std::collections::BTreeSet;

use millstream_model::schema::{ColumnSpec, FieldPath, PathSegment, StreamSchema};
use simd_json::Node;

use super::malformed::kind;
use super::plan::{NodeId, Plan, ROOT};
use super::text::{elements, members};
use crate::spelling::alike;

/// Most problems and most look-alikes that a reason names.
const PROBLEMS_MAX: usize = 4;
const LOOKALIKES_MAX: usize = 3;
/// Longest field name in a reason; one longer is cut.
const NAME_BYTES_MAX: usize = 64;
/// Most undeclared fields of a message that are looked at.
const UNDECLARED_MAX: usize = 1000;

/// Why a column has no value in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A required column's field is not there.
    Missing,
    /// A required column's field is null.
    Null,
    /// A number or time beyond what the type holds.
    OutOfRange(&'static str),
    /// A value of another kind.
    NotA {
        /// The kind wanted, with its article.
        wanted: &'static str,
        /// The kind found, with its article.
        found: &'static str,
    },
    /// A list with an element of another kind.
    Element {
        /// The list wanted, with its article.
        wanted: &'static str,
        /// The element found, with its article.
        found: &'static str,
    },
    /// The texts of the whole batch are too long for one column.
    ColumnFull,
}

impl Problem {
    /// True if the value is of another type than its column.
    pub fn is_mismatch(&self) -> bool {
        matches!(self, Self::NotA { .. } | Self::Element { .. })
    }

    /// `node` where `wanted` should be.
    pub(super) fn found(wanted: &'static str, node: &Node<'_>) -> Self {
        Self::NotA { wanted, found: kind(node) }
    }

    /// `node` as an element of what should be `wanted`.
    pub(super) fn element(wanted: &'static str, node: &Node<'_>) -> Self {
        Self::Element { wanted, found: kind(node) }
    }

    /// The problem in words, of the column called `column`.
    pub fn describe(&self, column: &str) -> String {
        let name = shown(column);
        match self {
            Self::Missing => format!("missing `{name}`"),
            Self::Null => format!("`{name}` is null"),
            Self::OutOfRange(ty) => format!("`{name}` is out of range for {ty}"),
            Self::NotA { wanted, found } => format!("`{name}` is not {wanted}: found {found}"),
            Self::Element { wanted, found } => format!("`{name}` is not {wanted}: found {found} in it"),
            Self::ColumnFull => format!("`{name}` takes more than 2 GiB in one batch"),
        }
    }
}

/// The reason of a message whose columns have `problems` (by column number, in column order).
#[cold]
pub(super) fn reason(
    schema: &StreamSchema,
    plan: &Plan,
    tape: &[Node<'_>],
    problems: &[(usize, Problem)],
    reject_undeclared: bool,
) -> String {
    let mut undeclared = Vec::new();
    list_undeclared(plan, ROOT, tape, &mut Vec::new(), &mut undeclared);
    let of_columns = problems.iter().map(|(number, problem)| {
        let column = &schema.columns[*number];
        match problem {
            Problem::Missing => missing(*problem, column, &undeclared),
            _ => problem.describe(&column.name),
        }
    });
    let rejected = undeclared.iter().filter(|_| reject_undeclared);
    let of_fields = rejected.map(|path| format!("undeclared field `{}`", shown(&super::plan::render(path))));
    let mut all = of_columns.chain(of_fields);
    let mut reason = all.by_ref().take(PROBLEMS_MAX).collect::<Vec<_>>().join("; ");
    let more = all.count();
    if more > 0 {
        reason.push_str(&format!("; and {more} more"));
    }
    reason
}

fn missing(problem: Problem, column: &ColumnSpec, undeclared: &[FieldPath]) -> String {
    let alike: BTreeSet<String> = undeclared
        .iter()
        .filter(|field| column.paths.iter().any(|path| looks_like(field, path)))
        .map(|field| format!("`{}`", shown(&super::plan::render(field))))
        .collect();
    let text = problem.describe(&column.name);
    if alike.is_empty() {
        return text;
    }
    let named: Vec<String> = alike.into_iter().take(LOOKALIKES_MAX).collect();
    format!("{text}; found {}", named.join(", "))
}

/// Collects the outermost undeclared fields of the object or array `value`, which is at `node`.
fn list_undeclared(
    plan: &Plan,
    node: NodeId,
    value: &[Node<'_>],
    path: &mut FieldPath,
    fields: &mut Vec<FieldPath>,
) {
    let keyed =
        members(value).map(|(key, member)| (plan.nodes[node].keys.get(key).copied(), Ok(key), member));
    let indexed = elements(value)
        .enumerate()
        .map(|(index, element)| (plan.nodes[node].element(index), Err(index), element));
    for (child, segment, below) in keyed.chain(indexed) {
        if fields.len() >= UNDECLARED_MAX {
            return;
        }
        path.push(segment.map_or_else(PathSegment::Index, |key| PathSegment::Key(clip(key).to_owned())));
        match child {
            None => fields.push(path.clone()),
            Some(child) if plan.nodes[child].takes(&below[0]) => {}
            Some(child) => match &below[0] {
                Node::Object { .. } if !plan.nodes[child].keys.is_empty() => {
                    list_undeclared(plan, child, below, path, fields);
                }
                Node::Array { .. } if !plan.nodes[child].elements.is_empty() => {
                    list_undeclared(plan, child, below, path, fields);
                }
                Node::Static(simd_json::StaticNode::Null) => {}
                _ => fields.push(path.clone()),
            },
        }
        path.pop();
    }
}

/// True if `field` may be a misspelling of `path` or of an object on its way: the same but for the
/// last name, and that name alike.
fn looks_like(field: &[PathSegment], path: &[PathSegment]) -> bool {
    let Some((PathSegment::Key(found), parents)) = field.split_last() else { return false };
    let Some(PathSegment::Key(wanted)) = path.get(parents.len()) else { return false };
    path.starts_with(parents) && found != wanted && alike(found, wanted)
}

/// A name fit for a reason: cut to 64 bytes, control characters escaped.
pub(super) fn shown(name: &str) -> String {
    let mut text = String::new();
    for letter in clip(name).chars() {
        if letter.is_control() {
            text.extend(letter.escape_default());
        } else {
            text.push(letter);
        }
    }
    text
}

/// The first 64 bytes of a name.
pub(super) fn clip(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_names_short_and_plain() {
        assert_eq!(shown("a\u{0}\n"), "a\\u{0}\\n");
        assert_eq!(shown(&"é".repeat(100)).len(), 64);
    }
}
