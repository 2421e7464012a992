//! What a case expects: lines of `expected.jsonl`, or an error.

use std::collections::BTreeSet;
use std::path::Path;

use millstream_engine::Timer;
use serde::Deserialize;
use serde_json::Value;

use crate::error::CaseError;
use crate::outcome::{Fate, LINE, OUTPUT, Outcome, REJECTED, Row, TIMER, UNDECODED};
use crate::timer;

/// What a case expects.
#[derive(Clone, Debug)]
pub enum Expected {
    /// Outcomes of its messages.
    Rows(Vec<ExpectedRow>),
    /// The plugin cannot be used like this: the engine's words, in which it is called "the plugin".
    Error(String),
}

/// An expected outcome.
#[derive(Clone, Debug)]
pub struct ExpectedRow {
    /// Where it stands in `expected.jsonl`, from 1.
    pub(crate) at: usize,
    /// Line of the message; none if it is not said, or a timer is meant.
    pub(crate) line: Option<u64>,
    /// The timer that is meant.
    pub(crate) timer: Option<Timer>,
    pub(crate) fate: Fate,
}

impl Expected {
    /// Reads the text of the file at `path`: a JSON object on each line. Empty lines are skipped.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, CaseError> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let rows = lines.map(|(index, line)| {
            let at = index + 1;
            let wrong = |message| CaseError::Line { path: path.to_owned(), line: at as u64, message };
            expected_row(at, line).map_err(wrong)
        });
        rows.collect::<Result<_, _>>().map(Self::Rows)
    }

    /// Exactly these outcomes.
    pub(crate) fn exactly(outcomes: &[Outcome]) -> Self {
        let rows = outcomes.iter().enumerate().map(|(index, outcome)| ExpectedRow {
            at: index + 1,
            line: outcome.timer.is_none().then_some(outcome.line),
            timer: outcome.timer.clone(),
            fate: outcome.fate.clone(),
        });
        Self::Rows(rows.collect())
    }
}

fn expected_row(at: usize, text: &str) -> Result<ExpectedRow, String> {
    if text.starts_with('\u{feff}') {
        return Err("begins with a byte order mark; save the file without one".to_owned());
    }
    let Object(mut entries) = serde_json::from_str(text).map_err(|error| {
        format!(
            "not a JSON object on one line ({}); a row stands as {{\"_line\": 1, \"column\": …}}",
            plain(&error)
        )
    })?;
    let mut names = BTreeSet::new();
    if let Some((twice, _)) = entries.iter().find(|(name, _)| !names.insert(name.clone())) {
        return Err(format!("`{twice}` stands twice; leave one"));
    }
    let mut take = |key: &str| {
        let found = entries.iter().position(|(name, _)| name == key);
        found.map(|index| entries.remove(index).1)
    };
    let line = take(LINE).map(|value| {
        let number = value.as_u64().filter(|number| *number > 0);
        number
            .ok_or_else(|| format!("`{LINE}` is {value}; expected the number of a line of the input, from 1"))
    });
    let line = line.transpose()?;
    let timer = take(TIMER).map(|value| timer::read(&value)).transpose()?;
    if line.is_some() && timer.is_some() {
        return Err(format!("a line is about a message or a timer: it has {LINE} or {TIMER}, not both"));
    }
    let (output, rejected, undecoded) = (take(OUTPUT), take(REJECTED), take(UNDECODED));
    if let Some((unknown, _)) = entries.iter().find(|(name, _)| name.starts_with('_')) {
        return Err(format!(
            "`{unknown}` is no column and no key: expected {LINE}, {TIMER}, {OUTPUT}, {REJECTED} or {UNDECODED}"
        ));
    }
    let text = |key: &str, value: Value| match value {
        Value::String(text) => Ok(text),
        other => Err(format!("`{key}` is {other}; expected a text")),
    };
    let fate = match (output, rejected, undecoded) {
        (None, None, None) => Fate::Passed(Row(entries)),
        (Some(output), None, None) => Fate::Emitted { output: text(OUTPUT, output)?, row: Row(entries) },
        (None, Some(reason), None) if entries.is_empty() => Fate::Rejected(text(REJECTED, reason)?),
        (None, None, Some(reason)) if entries.is_empty() => Fate::Undecoded(text(UNDECODED, reason)?),
        _ => {
            return Err(format!(
                "a line has columns, {REJECTED} or {UNDECODED}, and {OUTPUT} with columns only; make it several lines"
            ));
        }
    };
    Ok(ExpectedRow { at, line, timer, fate })
}

/// serde_json's message without its place: each line is a text of its own.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// An object that keeps the order of its keys.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ordered = millstream_settings::typed::Ordered::<Value>::deserialize(deserializer)?;
        Ok(Self(ordered.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        for line in [
            r#"{"_line": 1, "b": 0.1, "a": [1, null], "c": {"x": 1}}"#,
            r#"{"_line": 2, "_output": "alerts", "id": "x"}"#,
            r#"{"_line": 3, "_rejected": "`speed` is negative"}"#,
            r#"{"_line": 4, "_undecoded": "not JSON"}"#,
            r#"{"_timer": {"at": "2026-01-01T00:00:00Z", "key": "a"}, "_output": "alerts", "id": "x"}"#,
            r#"{"_timer": {"at": "1970-01-01T00:00:00.000007Z", "key_hex": "0001"}, "_rejected": "trapped"}"#,
            r#"{"_timer": {"at": 9223372036854775807, "key": ""}, "_rejected": "trapped"}"#,
        ] {
            let ExpectedRow { line: number, timer, fate, .. } = expected_row(1, line).unwrap();
            let outcome = Outcome { line: number.unwrap_or_default(), timer, fate };
            assert_eq!(outcome.to_line().replace(' ', ""), line.replace(' ', ""));
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        let check = |line: &str, expect: &str| {
            let error = Expected::parse(Path::new("e.jsonl"), &format!("{{}}\n\n{line}\n")).unwrap_err();
            let error = error.to_string();
            assert!(error.starts_with("e.jsonl:3: ") && error.contains(expect), "{error}");
        };
        check("{", "EOF while parsing an object");
        check("[1]", "expected a table");
        check(r#"{"_line": 0}"#, "`_line` is 0; expected the number of a line");
        check(r#"{"_row": 1}"#, "`_row` is no column and no key");
        check(r#"{"_rejected": 1}"#, "`_rejected` is 1; expected a text");
        check(r#"{"_timer": "10:00"}"#, "expected {\"at\": ");
        check(r#"{"_line": 1, "_timer": {"at": 1, "key": ""}}"#, "not both");
        check(r#"{"_rejected": "x", "a": 1}"#, "make it several lines");
    }
}
