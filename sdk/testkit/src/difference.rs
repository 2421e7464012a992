//! How what came out differs from what is expected, outcome by outcome. Two rows differ in columns; everything else
//! differs as a whole.

use std::collections::{BTreeMap, BTreeSet};

use millstream_engine::Timer;
use serde::Serialize;
use serde_json::Value;

use crate::align::align;
use crate::expected::ExpectedRow;
use crate::instance::State;
use crate::outcome::{Fate, Outcome, Row, object};
use crate::timer;
use crate::value::same;

/// One outcome that is not as expected.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// Line of the message, or of the move of the watermark, in the input, if it is known.
    pub line: Option<u64>,
    /// The timer or the state that differs, if it is no message that does.
    pub place: Option<String>,
    /// Line of `expected.jsonl`; none if nothing is expected.
    pub expected_at: Option<usize>,
    /// Columns that differ, if a row is expected and another row was found.
    pub columns: Vec<ColumnDifference>,
    /// What is expected, unless that is a row with other columns; none if nothing is.
    pub expected: Option<String>,
    /// What was found, likewise.
    pub found: Option<String>,
}

/// One column that is not as expected.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnDifference {
    /// Its name.
    pub column: String,
    /// What is expected; none if the row should not have the column.
    pub expected: Option<Value>,
    /// What was found; none if the row does not have it.
    pub found: Option<Value>,
}

/// All differences, in the order of the messages.
pub(crate) fn differences(expected: &[ExpectedRow], found: &[Outcome]) -> Vec<Difference> {
    align(expected, found).into_iter().filter_map(|(expected, found)| difference(expected, found)).collect()
}

fn difference(expected: Option<&ExpectedRow>, found: Option<&Outcome>) -> Option<Difference> {
    let fates = (expected.map(|row| &row.fate), found.map(|outcome| &outcome.fate));
    let is_same = match fates {
        (Some(expected), Some(found)) => is_same(expected, found),
        _ => false,
    };
    // In a file where some outcomes say their line and others do not, they were paired by order.
    let is_elsewhere = elsewhere(expected, found);
    if is_same && !is_elsewhere {
        return None;
    }
    let columns = match fates {
        _ if is_elsewhere => Vec::new(),
        (Some(Fate::Passed(expected)), Some(Fate::Passed(found))) => columns(expected, found),
        (Some(Fate::Emitted { output, row: expected }), Some(Fate::Emitted { output: same, row: found }))
            if output == same =>
        {
            columns(expected, found)
        }
        _ => Vec::new(),
    };
    let whole = |fate: Option<&Fate>| fate.filter(|_| columns.is_empty()).map(described);
    let from_line = |text: Option<String>| match expected.and_then(|row| row.line).filter(|_| is_elsewhere) {
        Some(line) => text.map(|text| format!("{text} of line {line}")),
        None => text,
    };
    Some(Difference {
        line: found.map(|outcome| outcome.line).or_else(|| expected.and_then(|row| row.line)),
        place: timer_of(expected, found).map(timer::described),
        expected_at: expected.map(|row| row.at),
        expected: from_line(whole(fates.0)),
        found: whole(fates.1),
        columns,
    })
}

/// True if the expected outcome names a message or a timer, and the one that was found is another's.
fn elsewhere(expected: Option<&ExpectedRow>, found: Option<&Outcome>) -> bool {
    let (Some(expected), Some(found)) = (expected, found) else { return false };
    match &expected.timer {
        Some(timer) => found.timer.as_ref() != Some(timer),
        None => expected.line.is_some_and(|line| line != found.line || found.timer.is_some()),
    }
}

fn timer_of<'a>(expected: Option<&'a ExpectedRow>, found: Option<&'a Outcome>) -> Option<&'a Timer> {
    found.and_then(|outcome| outcome.timer.as_ref()).or_else(|| expected.and_then(|row| row.timer.as_ref()))
}

impl Difference {
    /// The plugin could not go on.
    pub(crate) fn stopped(reason: &str) -> Self {
        Self::of_state("the plugin".to_owned(), None, Some(format!("stopped: {reason}")))
    }

    fn of_state(place: String, expected: Option<String>, found: Option<String>) -> Self {
        Self { line: None, place: Some(place), expected_at: None, columns: Vec::new(), expected, found }
    }
}

/// Values and timers that are not the same.
pub(crate) fn state_differences(expected: &State, found: &State) -> Vec<Difference> {
    let values = |state: &State| {
        let stores = state.stores.iter();
        let values = stores.flat_map(|(store, entries)| {
            entries.iter().map(move |(key, value)| ((store.clone(), key.clone()), hex::encode(value)))
        });
        values.collect::<BTreeMap<_, _>>()
    };
    let (one, other) = (values(expected), values(found));
    let keys: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let differing = keys.into_iter().filter(|key| one.get(*key) != other.get(*key));
    let of_value = |place: &(String, Vec<u8>)| {
        let in_words = format!("store `{}`, {}", place.0, timer::key(&place.1));
        Difference::of_state(in_words, one.get(place).cloned(), other.get(place).cloned())
    };
    let (set, other_set) = (BTreeSet::from_iter(&expected.timers), BTreeSet::from_iter(&found.timers));
    let of_timer = |timer: &&Timer| {
        let word = |timers: &BTreeSet<&Timer>| timers.contains(timer).then(|| "set at the end".to_owned());
        Difference::of_state(timer::described(timer), word(&set), word(&other_set))
    };
    differing.map(of_value).chain(set.symmetric_difference(&other_set).map(of_timer)).collect()
}

fn is_same(expected: &Fate, found: &Fate) -> bool {
    match (expected, found) {
        (Fate::Passed(expected), Fate::Passed(found)) => columns(expected, found).is_empty(),
        (Fate::Emitted { output, row: expected }, Fate::Emitted { output: other, row: found }) => {
            output == other && columns(expected, found).is_empty()
        }
        (expected, found) => expected == found,
    }
}

fn columns(expected: &Row, found: &Row) -> Vec<ColumnDifference> {
    let missing = expected.0.iter().filter(|(name, _)| found.get(name).is_none()).map(|(name, value)| {
        ColumnDifference { column: name.clone(), expected: Some(value.clone()), found: None }
    });
    let differing = found.0.iter().filter_map(|(name, value)| {
        let wanted = expected.get(name);
        (!wanted.is_some_and(|wanted| same(wanted, value))).then(|| ColumnDifference {
            column: name.clone(),
            expected: wanted.cloned(),
            found: Some(value.clone()),
        })
    });
    differing.chain(missing).collect()
}

/// An outcome for people.
fn described(fate: &Fate) -> String {
    match fate {
        Fate::Passed(row) => format!("row {}", object(row.0.clone())),
        Fate::Emitted { output, row } => format!("row for output `{output}` {}", object(row.0.clone())),
        Fate::Rejected(reason) => format!("rejected: {reason}"),
        Fate::Undecoded(reason) => format!("not decoded: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::expected::Expected;

    fn rows(text: &str) -> Vec<ExpectedRow> {
        match Expected::parse(Path::new("expected.jsonl"), text).unwrap() {
            Expected::Rows(rows) => rows,
            Expected::Error(_) => Vec::new(),
        }
    }

    /// Differences as `line: column expected/found`, or `line: expected/found`.
    fn check(expected: &str, found: &str, expect: &[&str]) {
        let outcome =
            |row: ExpectedRow| Outcome { line: row.line.unwrap_or(9), timer: row.timer, fate: row.fate };
        let found: Vec<_> = rows(found).into_iter().map(outcome).collect();
        let shown = differences(&rows(expected), &found).into_iter().map(|difference| {
            let show = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
            let json = |value: &Option<Value>| show(value.as_ref().map(Value::to_string));
            let columns = difference.columns.iter();
            let columns: Vec<_> =
                columns.map(|c| format!("{} {}/{}", c.column, json(&c.expected), json(&c.found))).collect();
            let line = difference.line.map_or_else(|| "?".to_owned(), |line| line.to_string());
            match columns.is_empty() {
                false => format!("{line}: {}", columns.join(", ")),
                true => format!("{line}: {}/{}", show(difference.expected), show(difference.found)),
            }
        });
        assert_eq!(shown.collect::<Vec<_>>(), expect);
    }

    #[test]
    fn rows_are_compared_line_by_line() {
        let found = "{\"_line\":1,\"a\":1,\"b\":null}\n{\"_line\":2,\"a\":2,\"b\":\"x\"}\n{\"_line\":4,\"_rejected\":\"no\"}";
        check(
            "{\"_line\":2,\"b\":\"x\",\"a\":2.0}\n{\"_line\":1,\"a\":1,\"b\":null}\n{\"_line\":4,\"_rejected\":\"no\"}",
            found,
            &[],
        );
        check("{\"a\":1,\"b\":null}\n{\"a\":2,\"b\":\"x\"}\n{\"_rejected\":\"no\"}", found, &[]);
        // Lines once counted for nothing where one was left out.
        check(
            "{\"_line\":7,\"a\":1,\"b\":null}\n{\"a\":2,\"b\":\"x\"}\n{\"_line\":4,\"_rejected\":\"no\"}",
            found,
            &["1: row {\"a\": 1, \"b\": null} of line 7/row {\"a\": 1, \"b\": null}"],
        );
        check(
            "{\"_line\":1,\"a\":0,\"c\":1}\n{\"_line\":3,\"a\":2}\n{\"_line\":4,\"a\":1}",
            found,
            &[
                "1: a 0/1, b -/null, c 1/-",
                "2: -/row {\"a\": 2, \"b\": \"x\"}",
                "3: row {\"a\": 2}/-",
                "4: row {\"a\": 1}/rejected: no",
            ],
        );
    }

    #[test]
    fn timers_are_compared_by_time_and_key() {
        let timer = |key: &str, rest: &str| {
            format!("{{\"_timer\":{{\"at\":\"1970-01-01T00:00:01Z\",\"key\":\"{key}\"}},{rest}}}\n")
        };
        let found = [timer("a", "\"_output\":\"o\",\"n\":1"), timer("b", "\"_rejected\":\"no\"")].concat();
        let turned = [timer("b", "\"_rejected\":\"no\""), timer("a", "\"_output\":\"o\",\"n\":1")].concat();
        check(&turned, &found, &[]);
        let other = [timer("c", "\"_rejected\":\"no\""), timer("a", "\"_output\":\"o\",\"n\":2")].concat();
        check(&other, &found, &["9: n 2/1", "9: -/rejected: no", "?: rejected: no/-"]);
    }

    #[test]
    fn without_lines_a_row_more_does_not_make_all_others_differ() {
        let found =
            "{\"_line\":1,\"a\":1}\n{\"_line\":2,\"a\":2}\n{\"_line\":3,\"a\":3}\n{\"_line\":4,\"a\":4}";
        check("{\"a\":2}\n{\"a\":3}\n{\"a\":5}", found, &["1: -/row {\"a\": 1}", "4: a 5/4"]);
    }
}
