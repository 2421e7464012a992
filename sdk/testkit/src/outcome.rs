//! What became of messages: outcomes in the order of the input, and the lines of `expected.jsonl` that say them.

use std::fmt::Write as _;
use std::ops::Index;

use millstream_engine::Timer;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

use crate::timer;

/// Keys of a line beside the row's columns. No declared column begins with an underscore.
pub(crate) const LINE: &str = "_line";
pub(crate) const TIMER: &str = "_timer";
pub(crate) const OUTPUT: &str = "_output";
pub(crate) const REJECTED: &str = "_rejected";
pub(crate) const UNDECODED: &str = "_undecoded";
/// What a string takes when text is written to it.
const TAKES_TEXT: &str = "a string takes any text";

/// One thing that became of one message or of one timer. A message that was dropped has none, one that was split has
/// several.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Line of the message in the input, from 1; of a timer, line of the move of the watermark that fired it.
    pub line: u64,
    /// The timer, if it is not a message that this became of.
    pub timer: Option<Timer>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// A row that continues in the stream.
    Passed(Row),
    /// A row for another output.
    Emitted {
        /// Name of the output.
        output: String,
        /// The row.
        row: Row,
    },
    /// A dead letter, with its reason.
    Rejected(String),
    /// A message that did not fit the schema, so that the plugin never saw it, with the reason.
    Undecoded(String),
}

/// Columns of a row in their order; system columns are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(pub Vec<(String, Value)>);

impl Row {
    /// The value of a column.
    pub fn get(&self, column: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, value)| value)
    }
}

impl Index<&str> for Row {
    type Output = Value;

    fn index(&self, column: &str) -> &Value {
        self.get(column).unwrap_or_else(|| panic!("the row has no column `{column}`"))
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Fate {
    /// Keys and values as a line has them, behind the number of the line.
    pub(crate) fn entries(&self) -> Vec<(String, Value)> {
        let only = |key: &str, text: &str| vec![(key.to_owned(), Value::from(text))];
        match self {
            Self::Passed(row) => row.0.clone(),
            Self::Emitted { output, row } => [only(OUTPUT, output), row.0.clone()].concat(),
            Self::Rejected(reason) => only(REJECTED, reason),
            Self::Undecoded(reason) => only(UNDECODED, reason),
        }
    }
}

impl Outcome {
    /// The line of `expected.jsonl` that says it, without a line break.
    pub fn to_line(&self) -> String {
        let from = match &self.timer {
            Some(timer) => (TIMER.to_owned(), timer::value(timer)),
            None => (LINE.to_owned(), Value::from(self.line)),
        };
        object(std::iter::once(from).chain(self.fate.entries()))
    }
}

/// The text of `expected.jsonl`.
pub fn lines(outcomes: &[Outcome]) -> String {
    outcomes.iter().map(|outcome| outcome.to_line() + "\n").collect()
}

/// A JSON object with its keys in this order, and blanks as people put them.
pub(crate) fn object(entries: impl IntoIterator<Item = (String, Value)>) -> String {
    let mut text = String::from("{");
    for (number, (key, value)) in entries.into_iter().enumerate() {
        let comma = if number > 0 { ", " } else { "" };
        let value = match value {
            Value::Object(inner) => object(inner),
            value => value.to_string(),
        };
        write!(text, "{comma}{}: {value}", Value::from(key)).expect(TAKES_TEXT);
    }
    text.push('}');
    text
}
