//! A case as a value: messages, what they are decoded as, the plugin's parameters, what is expected. Folders become
//! cases ([`crate::CaseFolder`]), and tests make them.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use millstream_engine::{Grants, Limits};
use millstream_model::schema::StreamSchema;
use millstream_settings::ConfigError;

use crate::error::CaseError;
use crate::expected::Expected;
use crate::outcome::Outcome;
use crate::settings::schema_of;

/// Name of the input, unless a case gives it another.
const INPUT: &str = "input";

/// One test of a plugin.
#[derive(Clone, Debug)]
pub struct Case {
    pub(crate) name: String,
    pub(crate) input: String,
    pub(crate) content: Content,
    pub(crate) received_us: Option<i64>,
    /// Columns; none: they are proposed from the messages.
    pub(crate) schema: Option<Arc<StreamSchema>>,
    /// Parameters, over those beside the plugin.
    pub(crate) config: serde_json::Map<String, serde_json::Value>,
    pub(crate) grants: Option<Grants>,
    pub(crate) limits: Option<Limits>,
    pub(crate) expected: Option<Expected>,
}

/// What a plugin is given.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Messages with the lines they stand on, from 1.
    Messages(Vec<(u64, Vec<u8>)>),
    /// Rows without system columns.
    Rows(RecordBatch),
}

impl Case {
    /// A case without messages.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            input: INPUT.to_owned(),
            content: Content::Messages(Vec::new()),
            received_us: None,
            schema: None,
            config: serde_json::Map::new(),
            grants: None,
            limits: None,
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
        Ok(Self { schema: Some(schema), ..self })
    }

    /// Names the input; plugins are told the name when they are configured.
    #[must_use]
    pub fn input(self, name: impl Into<String>) -> Self {
        Self { input: name.into(), ..self }
    }

    /// Parameters, an object. Its keys are laid over those of the file beside the plugin; without any, the plugin gets
    /// its own example.
    ///
    /// # Panics
    /// If it is no object.
    #[must_use]
    pub fn config(self, config: serde_json::Value) -> Self {
        match config {
            serde_json::Value::Object(config) => Self { config, ..self },
            other => panic!("the parameters of a plugin are an object, not {other}"),
        }
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

    /// When the messages were received: their `_timestamp`, in microseconds since 1970. Without this they have none.
    #[must_use]
    pub fn received(self, micros: i64) -> Self {
        Self { received_us: Some(micros), ..self }
    }

    /// Adds a message: JSON, or what should be JSON. Its line is the number of messages so far and one.
    #[must_use]
    pub fn message(mut self, json: impl Into<Vec<u8>>) -> Self {
        let message = json.into();
        match &mut self.content {
            Content::Messages(messages) => messages.push((messages.len() as u64 + 1, message)),
            Content::Rows(_) => self.content = Content::Messages(vec![(1, message)]),
        }
        self
    }

    /// Gives rows in place of messages: declared columns of any name without an underscore in front. A row's line is its
    /// number from 1.
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
}
