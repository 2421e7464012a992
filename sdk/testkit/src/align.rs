//! Which expected outcome belongs to which one that was found: by the line of the message, or by order where a file that
//! somebody wrote by hand does not say the lines.

use std::collections::BTreeMap;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::expected::ExpectedRow;
use crate::outcome::{Fate, Outcome, object};

/// An expected outcome and the one in its place; one of them may be missing.
pub(crate) type Pair<'a> = (Option<&'a ExpectedRow>, Option<&'a Outcome>);

/// Pairs in the order of the messages.
pub(crate) fn align<'a>(expected: &'a [ExpectedRow], found: &'a [Outcome]) -> Vec<Pair<'a>> {
    match expected.iter().all(|row| row.line.is_some()) {
        true => by_line(expected, found),
        false => by_order(expected, found),
    }
}

fn by_line<'a>(expected: &'a [ExpectedRow], found: &'a [Outcome]) -> Vec<Pair<'a>> {
    let mut lines: BTreeMap<u64, (Vec<&ExpectedRow>, Vec<&Outcome>)> = BTreeMap::new();
    for row in expected {
        lines.entry(row.line.unwrap_or_default()).or_default().0.push(row);
    }
    for outcome in found {
        lines.entry(outcome.line).or_default().1.push(outcome);
    }
    lines.into_values().flat_map(|(expected, found)| zipped(&expected, &found)).collect()
}

fn by_order<'a>(expected: &'a [ExpectedRow], found: &'a [Outcome]) -> Vec<Pair<'a>> {
    let expected: Vec<_> = expected.iter().collect();
    let found: Vec<_> = found.iter().collect();
    let old: Vec<_> = expected.iter().map(|row| identity(&row.fate)).collect();
    let new: Vec<_> = found.iter().map(|outcome| identity(&outcome.fate)).collect();
    let operations = capture_diff_slices(Algorithm::Myers, &old, &new);
    let pairs = operations.iter().flat_map(|operation: &DiffOp| {
        zipped(&expected[operation.old_range()], &found[operation.new_range()])
    });
    pairs.collect()
}

/// What two outcomes that are the same have in common: a text without the order of columns.
fn identity(fate: &Fate) -> String {
    let mut entries = fate.entries();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    object(entries)
}

fn zipped<'a>(expected: &[&'a ExpectedRow], found: &[&'a Outcome]) -> Vec<Pair<'a>> {
    let longer = expected.len().max(found.len());
    (0..longer).map(|index| (expected.get(index).copied(), found.get(index).copied())).collect()
}
