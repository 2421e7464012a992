//! A case as a value: messages, what they are decoded as, the plugin's parameters, what is expected. Folders become
//! cases ([`crate::CaseFolder`]), and tests make them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use millstream_engine::{Grants, Limits, MemoryTable, TableError, Tables};
use millstream_model::schema::StreamSchema;
use millstream_settings::ConfigError;
use serde_json::Value;

use crate::error::CaseError;
use crate::expected::Expected;
use crate::outcome::Outcome;
use crate::sequence::Entry;
use crate::settings::schema_of;

/// Name of the input, unless a case gives it another.
const INPUT: &str = "input";

/// One test of a plugin.
#[derive(Clone, Debug)]
pub struct Case {
    pub(crate) name: String,
    /// Where its messages stand, for errors about one of them.
    pub(crate) place: PathBuf,
    /// Its only input, unless `inputs` has others.
    pub(crate) input: Input,
    /// Inputs that are declared, in the order of the plugin's plan.
    pub(crate) inputs: Vec<Input>,
    pub(crate) content: Content,
    pub(crate) received_us: Option<i64>,
    /// Key of the messages that have no other.
    pub(crate) key: Option<Vec<u8>>,
    /// Parameters, over those beside the plugin; null: none.
    pub(crate) config: Value,
    pub(crate) grants: Option<Grants>,
    pub(crate) limits: Option<Limits>,
    /// Lookup tables; that they are here grants them.
    pub(crate) tables: Tables,
    pub(crate) expected: Option<Expected>,
}

/// A stream that a plugin is given.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    /// Columns; none: they are proposed from the messages.
    pub(crate) schema: Option<Arc<StreamSchema>>,
}

/// What a plugin is given.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Messages and moves with the lines they stand on, from 1.
    Lines(Vec<(u64, Entry)>),
    /// Rows without system columns.
    Rows(RecordBatch),
}

impl Case {
    /// A case without messages.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            place: PathBuf::from(format!("input of case {name}")),
            name,
            input: Input { name: INPUT.to_owned(), schema: None },
            inputs: Vec::new(),
            content: Content::Lines(Vec::new()),
            received_us: None,
            key: None,
            config: Value::Null,
            grants: None,
            limits: None,
            tables: Tables::new(),
            expected: None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Declares columns, as `[streams.NAME.schema]` of a configuration does: `speed = "float64"`. Without this they are
    /// proposed from the messages.
    ///
    /// # Errors
    /// What is wrong with them; the place is in this text.
    pub fn schema(self, toml: &str) -> Result<Self, ConfigError> {
        let place = format!("schema of case {}", self.name);
        let schema = schema_of(Path::new(&place), format!("[schema]\n{toml}"))?;
        Ok(Self { input: Input { schema: Some(schema), ..self.input }, ..self })
    }

    /// Names the input; plugins are told the name when they are configured.
    #[must_use]
    pub fn input(self, name: impl Into<String>) -> Self {
        Self { input: Input { name: name.into(), ..self.input }, ..self }
    }

    /// Declares an input, for plugins that keep state and may have several: they get them in this order. The text is
    /// what stands below `[inputs.NAME]` in a `config.toml`: `event_time = "at"`, and columns below `[schema]`.
    ///
    /// # Errors
    /// What is wrong with it; the place is in this text.
    pub fn declare_input(mut self, name: impl Into<String>, toml: &str) -> Result<Self, ConfigError> {
        let name = name.into();
        let place = format!("input {name} of case {}", self.name);
        let schema = schema_of(Path::new(&place), toml.to_owned())?;
        self.inputs.push(Input { name, schema: Some(schema) });
        Ok(self)
    }

    /// Parameters. The keys of an object are laid over those of the file beside the plugin; any other value takes their
    /// place. Without parameters the plugin gets its own example.
    #[must_use]
    pub fn config(self, config: Value) -> Self {
        Self { config, ..self }
    }

    /// What the plugin may touch, in place of what the file beside it grants.
    #[must_use]
    pub fn grants(self, grants: Grants) -> Self {
        Self { grants: Some(grants), ..self }
    }

    /// What a call may use, in place of what the file beside the plugin says.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// Gives the plugin a lookup table of `rows`, each found by its value in column `key`; it is granted as well.
    ///
    /// # Errors
    /// If there is no such column, it is no key, or a key is missing or stands twice.
    pub fn lookup(
        mut self,
        name: impl Into<String>,
        key: &str,
        rows: RecordBatch,
    ) -> Result<Self, TableError> {
        self.tables.insert(name.into(), Arc::new(MemoryTable::new(key, rows)?));
        Ok(self)
    }

    /// When the messages were received: their `_timestamp`, in microseconds since 1970. Without this they have none.
    #[must_use]
    pub fn received(self, micros: i64) -> Self {
        Self { received_us: Some(micros), ..self }
    }

    /// The key of all messages that are not given one of their own: their `_key`. Without this they have none.
    #[must_use]
    pub fn key(self, key: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// Adds a message: JSON, or what should be JSON. Its line is the number of messages and moves so far and one.
    #[must_use]
    pub fn message(self, json: impl Into<Vec<u8>>) -> Self {
        self.entry(Entry::Message { input: None, key: None, text: json.into() })
    }

    /// Adds a message with a key.
    #[must_use]
    pub fn message_with_key(self, key: impl Into<Vec<u8>>, json: impl Into<Vec<u8>>) -> Self {
        self.entry(Entry::Message { input: None, key: Some(key.into()), text: json.into() })
    }

    /// Adds a message of the input of this name.
    #[must_use]
    pub fn message_of(self, input: impl Into<String>, json: impl Into<Vec<u8>>) -> Self {
        self.entry(Entry::Message { input: Some(input.into()), key: None, text: json.into() })
    }

    /// Moves the watermark behind the messages so far, to `micros` since 1970; `i64::MAX` means that the inputs have
    /// ended. Only plugins that keep state have one.
    #[must_use]
    pub fn watermark(self, micros: i64) -> Self {
        self.entry(Entry::Move(micros))
    }

    fn entry(mut self, entry: Entry) -> Self {
        match &mut self.content {
            Content::Lines(lines) => lines.push((lines.len() as u64 + 1, entry)),
            Content::Rows(_) => self.content = Content::Lines(vec![(1, entry)]),
        }
        self
    }

    /// Gives rows in place of messages: declared columns of any name without an underscore in front. A row's line is its
    /// number from 1. They have no event time.
    #[must_use]
    pub fn rows(self, rows: RecordBatch) -> Self {
        Self { content: Content::Rows(rows), ..self }
    }

    /// Expects exactly these outcomes.
    #[must_use]
    pub fn expect(self, outcomes: &[Outcome]) -> Self {
        Self { expected: Some(Expected::exactly(outcomes)), ..self }
    }

    /// Expects what lines of an `expected.jsonl` say.
    ///
    /// # Errors
    /// Which line is wrong.
    pub fn expect_lines(self, jsonl: &str) -> Result<Self, CaseError> {
        let place = format!("expectation of case {}", self.name);
        Ok(Self { expected: Some(Expected::parse(Path::new(&place), jsonl)?), ..self })
    }

    /// Expects that the plugin cannot be used like this, with the engine's words; they call it "the plugin".
    #[must_use]
    pub fn expect_error(self, text: impl Into<String>) -> Self {
        Self { expected: Some(Expected::Error(text.into())), ..self }
    }

    /// Its inputs, one at least.
    pub(crate) fn inputs(&self) -> &[Input] {
        if self.inputs.is_empty() { std::slice::from_ref(&self.input) } else { &self.inputs }
    }

    /// An error about a line of its input.
    pub(crate) fn wrong_line(&self, line: u64, message: String) -> CaseError {
        CaseError::Line { path: self.place.clone(), line, message }
    }
}
