//! The one kind of row of the proof, and its columns by name.

/// A row in arrival order; `input` and `offset` identify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Index of the step's input.
    pub input: u32,
    /// Position within the input.
    pub offset: u64,
    /// Event time, microseconds since the epoch.
    pub event_time: i64,
    /// First part of a composite key.
    pub region: Option<String>,
    /// The key, or its second part.
    pub key: Option<String>,
    /// What is counted; `i64::MIN` is the poison that some guests fail on.
    pub amount: i64,
}

/// A value of a column: all that the proof's rows are made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Utf8.
    Text(String),
    /// Int64 and timestamps.
    Integer(i64),
    /// Of either type.
    Null,
}

impl Row {
    /// The value of the named column, none if there is no such column.
    pub(crate) fn column(&self, name: &str) -> Option<Value> {
        let text = |value: &Option<String>| value.clone().map_or(Value::Null, Value::Text);
        Some(match name {
            "region" => text(&self.region),
            "key" => text(&self.key),
            "amount" => Value::Integer(self.amount),
            "_event_time" => Value::Integer(self.event_time),
            _ => return None,
        })
    }
}
