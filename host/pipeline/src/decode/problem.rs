//! Why a message could not be decoded, in words that hold field names and never values, so that
//! reasons can be counted. Only called for messages that fail.

use std::collections::BTreeSet;

use millstream_model::schema::{FieldPath, PathSegment, StreamSchema};
use simd_json::Node;

use super::malformed::kind;
use super::plan::{NodeId, Plan, ROOT};
use super::text::{elements, members};

/// Most problems and most look-alikes that a reason names.
const PROBLEMS_MAX: usize = 4;
const LOOKALIKES_MAX: usize = 3;
/// Longest field name in a reason; one longer is cut.
const NAME_BYTES_MAX: usize = 64;
/// Most undeclared fields of a message that are looked at.
const UNDECLARED_MAX: usize = 1000;

/// Why a column has no value in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
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
    pub fn found(wanted: &'static str, node: &Node<'_>) -> Self {
        Self::NotA { wanted, found: kind(node) }
    }

    /// `node` as an element of what should be `wanted`.
    pub fn element(wanted: &'static str, node: &Node<'_>) -> Self {
        Self::Element { wanted, found: kind(node) }
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
        let name = shown(&column.name);
        match problem {
            Problem::Missing => missing(&name, &column.paths, &undeclared),
            Problem::Null => format!("`{name}` is null"),
            Problem::OutOfRange(ty) => format!("`{name}` is out of range for {ty}"),
            Problem::NotA { wanted, found } => format!("`{name}` is not {wanted}: found {found}"),
            Problem::Element { wanted, found } => format!("`{name}` is not {wanted}: found {found} in it"),
            Problem::ColumnFull => format!("`{name}` takes more than 2 GiB in one batch"),
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

fn missing(name: &str, paths: &[FieldPath], undeclared: &[FieldPath]) -> String {
    let alike: BTreeSet<String> = undeclared
        .iter()
        .filter(|field| paths.iter().any(|path| looks_like(field, path)))
        .map(|field| format!("`{}`", shown(&super::plan::render(field))))
        .collect();
    if alike.is_empty() {
        return format!("missing `{name}`");
    }
    let named: Vec<String> = alike.into_iter().take(LOOKALIKES_MAX).collect();
    format!("missing `{name}`; found {}", named.join(", "))
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

/// Same letters in any order, or at most two edits apart, ignoring case, `_` and `-`. Of short names
/// less than half may be edited, else `id` would look like every name of two letters.
fn alike(found: &str, wanted: &str) -> bool {
    let (found, wanted) = (folded(found), folded(wanted));
    let longer = found.len().max(wanted.len());
    if found.len().abs_diff(wanted.len()) > 2 || longer > NAME_BYTES_MAX {
        return false;
    }
    let sorted = |name: &[char]| {
        let mut letters = name.to_vec();
        letters.sort_unstable();
        letters
    };
    sorted(&found) == sorted(&wanted) || edits(&found, &wanted) <= 2.min((longer.max(1) - 1) / 2)
}

fn folded(name: &str) -> Vec<char> {
    name.chars().filter(|letter| !matches!(letter, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours between two names (optimal string
/// alignment).
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// A name fit for a reason: cut to 64 bytes, control characters escaped.
fn shown(name: &str) -> String {
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

fn clip(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_misspellings_from_other_names() {
        for (found, wanted, expect) in [
            ("mode", "model", true),
            ("locatoin", "location", true),
            ("device_id", "deviceId", true),
            ("DEVICE-ID", "deviceId", true),
            ("yaer", "year", true),
            ("fuel", "fuelType", false),
            ("make", "model", false),
            ("lat", "lon", false),
            ("x", "id", false),
            ("", "id", false),
            ("di", "id", true),
            ("modèle", "model", true),
        ] {
            assert_eq!(alike(found, wanted), expect, "{found} {wanted}");
        }
    }

    #[test]
    fn shows_names_short_and_plain() {
        assert_eq!(shown("a\u{0}\n"), "a\\u{0}\\n");
        assert_eq!(shown(&"é".repeat(100)).len(), 64);
    }
}
