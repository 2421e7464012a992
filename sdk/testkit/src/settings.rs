//! What a case says in `config.toml`, over what all cases of the folder share there: parameters, columns, grants, limits.
//! Files enter; checked values leave, and errors that name the file a key stands in.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use millstream_engine::{Grants, Limits};
use millstream_model::schema::StreamSchema;
use millstream_settings::limits::laid_over;
use millstream_settings::typed::{self, Column, EventTime, Ordered, SchemaKeys, UnknownFields};
use millstream_settings::{ConfigError, Document, plugin_file, schema};
use serde::Deserialize;

use crate::case::Input;
use crate::lookup::TableSettings;

/// The file of a case, and the one that cases share.
pub(crate) const FILE: &str = "config.toml";

/// `config.toml` as typed.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    input: Option<String>,
    received: Option<String>,
    key: Option<String>,
    key_hex: Option<String>,
    #[serde(default)]
    config: toml::Table,
    event_time: Option<EventTime>,
    unknown_fields: Option<UnknownFields>,
    schema: Option<Ordered<Column>>,
    inputs: Option<Ordered<Columns>>,
    #[serde(default)]
    lookup: BTreeMap<String, Table>,
    grants: Option<typed::Grants>,
    limits: Option<typed::Limits>,
}

/// `[lookup.NAME]` as typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    key: Option<String>,
    schema: Option<Ordered<Column>>,
}

/// What both files say together.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Name of the input.
    pub(crate) input: Option<String>,
    /// When the messages were received, in microseconds since 1970.
    pub(crate) received_us: Option<i64>,
    /// Key of the messages whose lines say none.
    pub(crate) key: Option<Vec<u8>>,
    /// Parameters, over those that stand beside the plugin.
    pub(crate) config: toml::Table,
    /// Columns, if they are declared.
    pub(crate) schema: Option<Arc<StreamSchema>>,
    /// Inputs in their order, if there are several.
    pub(crate) inputs: Vec<Input>,
    /// What is said of lookup tables.
    pub(crate) tables: BTreeMap<String, TableSettings>,
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
        key: None,
        config: toml::Table::new(),
        schema: None,
        inputs: Vec::new(),
        tables: BTreeMap::new(),
        grants: None,
        limits: limits.clone(),
    };
    let shared_keys = lay_over(&mut settings, &shared, shared_typed)?;
    settings.tables.values_mut().for_each(|table| table.is_of_case = false);
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

/// The keys of a file, or of one of its inputs, that make a schema.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Columns {
    event_time: Option<EventTime>,
    unknown_fields: Option<UnknownFields>,
    schema: Option<Ordered<Column>>,
}

/// Takes what one file says, and leaves what makes a schema.
fn lay_over(settings: &mut Settings, document: &Document, mut typed: Typed) -> Result<Columns, ConfigError> {
    lay_inputs_over(settings, document, &mut typed)?;
    for (name, table) in std::mem::take(&mut typed.lookup) {
        let at = ["lookup", name.as_str()];
        let columns = Columns { schema: table.schema, ..Columns::default() };
        let schema = of_columns(document, &at, columns)?;
        settings.tables.insert(name, TableSettings { key: table.key, schema, is_of_case: true });
    }
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
    if let Some(key) = key(document, typed.key, typed.key_hex)? {
        settings.key = Some(key);
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

/// The key that a file says, as text or in hexadecimal digits.
fn key(
    document: &Document,
    text: Option<String>,
    digits: Option<String>,
) -> Result<Option<Vec<u8>>, ConfigError> {
    match (text, digits) {
        (Some(_), Some(_)) => {
            Err(document.error(&["key_hex"], "`key` says the key already: delete one of them"))
        }
        (Some(text), None) => Ok(Some(text.into_bytes())),
        (None, Some(digits)) => match hex::decode(&digits) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(_) => Err(document.error(&["key_hex"], format!("`{digits}` is not hexadecimal digits"))),
        },
        (None, None) => Ok(None),
    }
}

/// Inputs of a case take the place of those, or of the one, that all cases share.
fn lay_inputs_over(
    settings: &mut Settings,
    document: &Document,
    typed: &mut Typed,
) -> Result<(), ConfigError> {
    let has_one = typed.input.is_some()
        || typed.schema.is_some()
        || typed.event_time.is_some()
        || typed.unknown_fields.is_some();
    let Some(inputs) = typed.inputs.take() else {
        if has_one {
            settings.inputs.clear();
        }
        return Ok(());
    };
    if has_one {
        let message = "a case has one input, with `input`, `event_time`, `unknown_fields` and [schema], or several, \
                       each with what is said of it below [inputs.NAME]";
        return Err(document.error(&["inputs"], message));
    }
    let input = |(name, columns): (String, Columns)| {
        let schema = of_columns(document, &["inputs", &name], columns)?;
        Ok(Input { name, schema })
    };
    settings.inputs = inputs.0.into_iter().map(input).collect::<Result<_, ConfigError>>()?;
    Ok(())
}

/// The schema whose keys stand below those of `at`, if it has columns.
fn of_columns(
    document: &Document,
    at: &[&str],
    columns: Columns,
) -> Result<Option<Arc<StreamSchema>>, ConfigError> {
    let Some(schema) = columns.schema else {
        if columns.event_time.is_some() || columns.unknown_fields.is_some() {
            let key = format!("{}.schema", at.join("."));
            let message = format!("it needs columns: declare them below [{key}]");
            return Err(document.error(at, message));
        }
        return Ok(None);
    };
    let keys = SchemaKeys {
        event_time: columns.event_time,
        unknown_fields: columns.unknown_fields.unwrap_or_default(),
        schema,
    };
    schema::schema(document, at, &keys).map(Arc::new).map(Some)
}

/// The schema: each key as the case has it, else as all cases share it.
fn declared(
    (shared, below): (&Document, Columns),
    (case, above): (&Document, Columns),
) -> Result<Option<Arc<StreamSchema>>, ConfigError> {
    let document = if above.schema.is_some() { case } else { shared };
    let Some(columns) = above.schema.or(below.schema) else { return Ok(None) };
    let columns = Columns {
        event_time: above.event_time.or(below.event_time),
        unknown_fields: above.unknown_fields.or(below.unknown_fields),
        schema: Some(columns),
    };
    of_columns(document, &[], columns)
}
