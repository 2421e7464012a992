//! What a case says in `config.toml`, over what all cases of the folder share there: parameters, columns, grants, limits.
//! Files enter; checked values leave, and errors that name the file a key stands in.

use std::path::Path;
use std::sync::Arc;

use millstream_engine::{Grants, Limits};
use millstream_model::schema::StreamSchema;
use millstream_settings::limits::laid_over;
use millstream_settings::typed::{self, Column, EventTime, Ordered, SchemaKeys, UnknownFields};
use millstream_settings::{ConfigError, Document, plugin_file, schema};
use serde::Deserialize;

/// The file of a case, and the one that cases share.
pub(crate) const FILE: &str = "config.toml";

/// `config.toml` as typed.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    input: Option<String>,
    received: Option<String>,
    #[serde(default)]
    config: toml::Table,
    event_time: Option<EventTime>,
    unknown_fields: Option<UnknownFields>,
    schema: Option<Ordered<Column>>,
    grants: Option<typed::Grants>,
    limits: Option<typed::Limits>,
}

/// What both files say together.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Name of the input.
    pub(crate) input: Option<String>,
    /// When the messages were received, in microseconds since 1970.
    pub(crate) received_us: Option<i64>,
    /// Parameters, over those that stand beside the plugin.
    pub(crate) config: toml::Table,
    /// Columns, if they are declared.
    pub(crate) schema: Option<Arc<StreamSchema>>,
    /// Grants, in place of those beside the plugin.
    pub(crate) grants: Option<Grants>,
    /// Limits, over those beside the plugin.
    pub(crate) limits: Limits,
}

/// Reads the settings of the case in `case`, in the folder `shared`; files that are not there say nothing. Limits are
/// laid over `limits`.
pub(crate) fn settings(shared: &Path, case: &Path, limits: &Limits) -> Result<Settings, ConfigError> {
    let (shared, shared_typed) = read(&shared.join(FILE))?;
    let (case, case_typed) = read(&case.join(FILE))?;
    let mut settings = Settings {
        input: None,
        received_us: None,
        config: toml::Table::new(),
        schema: None,
        grants: None,
        limits: limits.clone(),
    };
    let shared_keys = lay_over(&mut settings, &shared, shared_typed)?;
    let case_keys = lay_over(&mut settings, &case, case_typed)?;
    settings.schema = declared((&shared, shared_keys), (&case, case_keys))?;
    Ok(settings)
}

/// Checks the columns in the text of a file that would stand at `path`: `schema` and what belongs to it.
pub(crate) fn schema_of(path: &Path, text: String) -> Result<Arc<StreamSchema>, ConfigError> {
    let document = Document::parse(path, text, [])?;
    let keys: SchemaKeys = document.deserialize()?;
    schema::schema(&document, &[], &keys).map(Arc::new)
}

fn read(path: &Path) -> Result<(Document, Typed), ConfigError> {
    let document = match path.is_file() {
        true => Document::read(path, [])?,
        false => Document::parse(path, String::new(), [])?,
    };
    let typed = document.deserialize().map_err(hint_at_quotes)?;
    Ok((document, typed))
}

/// `location.lat = "float64"` is TOML for a table `location`, which is not what its writer meant.
fn hint_at_quotes(error: ConfigError) -> ConfigError {
    match error {
        ConfigError::Invalid { place, key, message }
            if key.starts_with("schema.") && message.starts_with("unknown field") =>
        {
            let hint = "a column whose name has a dot is written in quotes: \"location.lat\" = …";
            ConfigError::Invalid { place, key, message: format!("{message}; {hint}") }
        }
        error => error,
    }
}

/// The keys of a file that make a schema.
#[derive(Default)]
struct Columns {
    event_time: Option<EventTime>,
    unknown_fields: Option<UnknownFields>,
    schema: Option<Ordered<Column>>,
}

/// Takes what one file says, and leaves what makes a schema.
fn lay_over(settings: &mut Settings, document: &Document, typed: Typed) -> Result<Columns, ConfigError> {
    if typed.input.is_some() {
        settings.input = typed.input;
    }
    if let Some(text) = typed.received {
        let received = text.parse::<jiff::Timestamp>().map_err(|_| {
            document
                .error(&["received"], format!("`{text}` is not an instant such as \"2026-01-31T08:00:00Z\""))
        })?;
        settings.received_us = Some(received.as_microsecond());
    }
    settings.config.extend(typed.config);
    if let Some(grants) = typed.grants {
        let grants = plugin_file::grants(document, grants, &|_| true)?;
        settings.grants = Some(Grants { file: FILE.to_owned(), ..grants });
    }
    if let Some(limits) = typed.limits {
        settings.limits = laid_over(&settings.limits, &limits, document, &["limits"])?;
    }
    Ok(Columns { event_time: typed.event_time, unknown_fields: typed.unknown_fields, schema: typed.schema })
}

/// The schema: each key as the case has it, else as all cases share it.
fn declared(
    (shared, below): (&Document, Columns),
    (case, above): (&Document, Columns),
) -> Result<Option<Arc<StreamSchema>>, ConfigError> {
    let document = if above.schema.is_some() { case } else { shared };
    let Some(columns) = above.schema.or(below.schema) else { return Ok(None) };
    let keys = SchemaKeys {
        event_time: above.event_time.or(below.event_time),
        unknown_fields: above.unknown_fields.or(below.unknown_fields).unwrap_or_default(),
        schema: columns,
    };
    schema::schema(document, &[], &keys).map(Arc::new).map(Some)
}
