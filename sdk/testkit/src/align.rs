//! Which expected outcome belongs to which one that was found: by the line of the message or by the timer, or by order
//! where a file that somebody wrote by hand does not say the lines.

use std::collections::BTreeMap;

use millstream_engine::Timer;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::expected::ExpectedRow;
use crate::outcome::{Fate, Outcome, object};

/// An expected outcome and the one in its place; one of them may be missing.
pub(crate) type Pair<'a> = (Option<&'a ExpectedRow>, Option<&'a Outcome>);

/// Pairs in the order of the messages.
pub(crate) fn align<'a>(expected: &'a [ExpectedRow], found: &'a [Outcome]) -> Vec<Pair<'a>> {
    match expected.iter().all(|row| row.line.is_some() || row.timer.is_some()) {
        true => by_line(expected, found),
        false => by_order(expected, found),
    }
}

fn by_line<'a>(expected: &'a [ExpectedRow], found: &'a [Outcome]) -> Vec<Pair<'a>> {
    let mut fired: BTreeMap<&Timer, u64> = BTreeMap::new();
    for outcome in found {
        if let Some(timer) = &outcome.timer {
            fired.entry(timer).or_insert(outcome.line);
        }
    }
    // Timers that did not fire come last.
    let place = |line: Option<u64>, timer: &'a Option<Timer>| match timer {
        Some(timer) => (fired.get(timer).copied().unwrap_or(u64::MAX), Some(timer)),
        None => (line.unwrap_or_default(), None),
    };
    let mut places: BTreeMap<_, (Vec<&ExpectedRow>, Vec<&Outcome>)> = BTreeMap::new();
    for row in expected {
        places.entry(place(row.line, &row.timer)).or_default().0.push(row);
    }
    for outcome in found {
        places.entry(place(Some(outcome.line), &outcome.timer)).or_default().1.push(outcome);
    }
    places.into_values().flat_map(|(expected, found)| zipped(&expected, &found)).collect()
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
