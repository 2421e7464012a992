//! A TOML document that still knows where everything in it stands, so that every error can name
//! file, line and key. Variables of the environment are laid over the file here, once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::ConfigError;

/// Variables of this form override the file: `MILLSTREAM_LAKE__URL` is key `lake.url`.
pub const ENVIRONMENT_PREFIX: &str = "MILLSTREAM_";

/// A value of a file with the place it stands at, for errors that are found later. Two that stand at different
/// places are the same if their values are.
#[derive(Clone, Debug)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// `file:line:column`, or the environment variable.
    pub place: String,
    /// Dotted key.
    pub key: String,
}

impl<T: PartialEq> PartialEq for Placed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A parsed file, with overrides from the environment.
pub struct Document {
    path: PathBuf,
    text: String,
    overrides: Vec<Override>,
    environment: BTreeMap<String, String>,
}

struct Override {
    variable: String,
    keys: Vec<String>,
    value: String,
}

impl Document {
    /// Reads the file at `path`. Those variables of `environment` are laid over it that begin with
    /// [`ENVIRONMENT_PREFIX`] and have a double underscore; others are there to be named by the file.
    pub fn read(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let bytes = std::fs::read(path)
            .map_err(|source| ConfigError::Unreadable { file: path.to_owned(), source })?;
        let text = String::from_utf8(bytes).map_err(|error| not_utf8(path, error.as_bytes()))?;
        Self::parse(path, text, environment)
    }

    /// As [`Document::read`], of a text that stands, or would stand, at `path`.
    pub fn parse(
        path: &Path,
        text: String,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let environment: BTreeMap<_, _> = environment.into_iter().collect();
        let variables = environment.iter().map(|(name, value)| (name.clone(), value.clone()));
        let overrides = variables.filter_map(Override::parse).collect();
        let document = Self { path: path.to_owned(), text, overrides, environment };
        document.table()?;
        Ok(document)
    }

    /// The document as a `T`.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        let mut root = self.table()?;
        for change in &self.overrides {
            change.apply(root.get_mut())?;
        }
        let result = T::deserialize(toml::Deserializer::from(root));
        result.map_err(|error| self.error_at(error.span(), error.message()))
    }

    /// An error about the value of `keys`, at its line, or at that of its nearest parent.
    pub fn error(&self, keys: &[&str], message: impl Into<String>) -> ConfigError {
        let Placed { place, key, .. } = self.placed(keys, ());
        ConfigError::Invalid { place, key, message: message.into() }
    }

    /// `value`, which is that of `keys`, with the place where it or its nearest parent stands.
    pub fn placed<T>(&self, keys: &[&str], value: T) -> Placed<T> {
        let key = keys.iter().map(|key| quote(key)).collect::<Vec<_>>().join(".");
        let place = match self.overrides.iter().find(|o| o.keys == keys) {
            Some(change) => format!("environment variable {}", change.variable),
            None => self.place_of(keys),
        };
        Placed { value, place, key }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True if the environment sets `keys`.
    pub fn is_overridden(&self, keys: &[&str]) -> bool {
        self.overrides.iter().any(|change| change.keys == keys)
    }

    /// Folder that relative paths in the file are relative to.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// A variable of the environment that the document was read in.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    fn table(&self) -> Result<Spanned<DeTable<'_>>, ConfigError> {
        DeTable::parse(&self.text).map_err(|error| self.error_at(error.span(), error.message()))
    }

    fn error_at(&self, span: Option<Range<usize>>, message: &str) -> ConfigError {
        // Values from the environment were given the span 0..0, which no value in a file has.
        let offset = span.filter(|span| span.end > 0).map(|span| span.start);
        let keys = offset.and_then(|at| Some(enclosing(DeTable::parse(&self.text).ok()?.get_ref(), at)));
        let key = keys.map(|keys| keys.iter().map(|key| quote(key)).collect::<Vec<_>>().join("."));
        let place = match (offset, self.overrides.as_slice()) {
            (Some(offset), _) => self.place(offset),
            (None, []) => self.path.display().to_string(),
            (None, changes) => {
                let names: Vec<_> = changes.iter().map(|change| change.variable.as_str()).collect();
                format!("{} or one of the environment variables {}", self.path.display(), names.join(", "))
            }
        };
        ConfigError::Invalid { place, key: key.unwrap_or_default(), message: one_line(message) }
    }

    /// `file:line:column` of the value of `keys`, or of its nearest parent.
    pub fn place_of(&self, keys: &[&str]) -> String {
        let offset = self.table().ok().and_then(|root| find(root.get_ref(), keys));
        self.place(offset.unwrap_or(0))
    }

    fn place(&self, offset: usize) -> String {
        place(&self.path, &self.text.as_bytes()[..offset.min(self.text.len())])
    }
}

/// `file:line:column` behind `before`.
fn place(path: &Path, before: &[u8]) -> String {
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    format!("{}:{line}:{column}", path.display())
}

fn not_utf8(path: &Path, bytes: &[u8]) -> ConfigError {
    let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    ConfigError::Invalid {
        place: place(path, &bytes[..valid]),
        key: String::new(),
        message: "not UTF-8; save the file as UTF-8".to_owned(),
    }
}

impl Override {
    fn parse((variable, value): (String, String)) -> Option<Self> {
        let keys = variable.strip_prefix(ENVIRONMENT_PREFIX)?;
        let keys: Vec<_> = keys.split("__").map(str::to_lowercase).collect();
        (keys.len() > 1).then_some(Self { variable, keys, value })
    }

    /// Sets the value; text that is not a TOML value (`lake`, `10s`) is taken as a string.
    fn apply<'a>(&'a self, mut table: &mut DeTable<'a>) -> Result<(), ConfigError> {
        let (last, parents) = self.keys.split_last().expect("an override has two keys at least");
        for key in parents {
            let entry = table
                .entry(Spanned::new(0..0, existing(table, key).into()))
                .or_insert_with(|| Spanned::new(0..0, DeValue::Table(DeTable::new())));
            let DeValue::Table(inner) = entry.get_mut() else {
                return Err(ConfigError::Invalid {
                    place: format!("environment variable {}", self.variable),
                    key: self.keys.join("."),
                    message: format!("`{key}` is not a table"),
                });
            };
            table = inner;
        }
        let value = DeValue::parse(&self.value)
            .map_or_else(|_| DeValue::String(self.value.as_str().into()), |value| value.into_inner());
        table.insert(Spanned::new(0..0, existing(table, last).into()), Spanned::new(0..0, value));
        Ok(())
    }
}

/// The key of `table` that is `key` but for its case, which a variable's name does not keep.
fn existing(table: &DeTable<'_>, key: &str) -> String {
    let same = table.keys().map(|known| known.get_ref()).find(|known| known.eq_ignore_ascii_case(key));
    same.map_or_else(|| key.to_owned(), |known| known.to_string())
}

/// Where the value of `keys` stands, or that of its longest prefix.
fn find(table: &DeTable<'_>, keys: &[&str]) -> Option<usize> {
    let (first, rest) = keys.split_first()?;
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == first)?;
    find_in(value.get_ref(), rest).or(Some(key.span().start))
}

fn find_in(value: &DeValue<'_>, keys: &[&str]) -> Option<usize> {
    match value {
        DeValue::Table(table) => find(table, keys),
        DeValue::Array(array) => {
            let (index, rest) = keys.split_first()?;
            let item = array.get(index.parse::<usize>().ok()?)?;
            find_in(item.get_ref(), rest).or(Some(item.span().start))
        }
        _ => None,
    }
}

/// The keys of the innermost value that stands around `offset`.
fn enclosing(table: &DeTable<'_>, offset: usize) -> Vec<String> {
    for (key, value) in table.iter() {
        let inner = enclosing_in(value, offset);
        if key.span().contains(&offset) || inner.is_some() {
            return [vec![key.get_ref().to_string()], inner.unwrap_or_default()].concat();
        }
    }
    Vec::new()
}

/// As [`enclosing`]; a table with a header of its own does not stand around its content, so tables are
/// searched wherever they stand.
fn enclosing_in(value: &Spanned<DeValue<'_>>, offset: usize) -> Option<Vec<String>> {
    let inner = match value.get_ref() {
        DeValue::Table(table) => enclosing(table, offset),
        DeValue::Array(array) => array
            .iter()
            .enumerate()
            .find_map(|(index, item)| Some([vec![index.to_string()], enclosing_in(item, offset)?].concat()))
            .unwrap_or_default(),
        _ => Vec::new(),
    };
    (!inner.is_empty() || value.span().contains(&offset)).then_some(inner)
}

fn quote(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { format!("\"{key}\"") }
}

fn one_line(message: &str) -> String {
    message.trim().replace('\n', "; ")
}
