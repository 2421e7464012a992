//! The keys that say who may sign plugins and where secrets are.

use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// The keys of one name: one, or several of which any will do.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a public key, { file = \"…\" }, or a list of them")]
pub enum PinnedKeys {
    One(PinnedKey),
    Any(Vec<PinnedKey>),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a public key, or { file = \"…\" }")]
pub enum PinnedKey {
    Text(String),
    File(KeyFile),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    pub file: PathBuf,
}

/// Where a secret is read from. Not derived: an error about a value that was written here would show it.
pub enum Secret {
    Variable(String),
    File(PathBuf),
}

/// What is said of everything else.
const SECRET_EXPECTED: &str =
    "a secret does not stand in the configuration: expected { env = \"VARIABLE\" } or { file = \"path\" }";

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        let table = value.as_table().filter(|table| table.len() == 1);
        let text = |key| table?.get(key)?.as_str();
        match (text("env"), text("file")) {
            (Some(variable), _) => Ok(Self::Variable(variable.to_owned())),
            (_, Some(path)) => Ok(Self::File(path.into())),
            _ => Err(D::Error::custom(SECRET_EXPECTED)),
        }
    }
}
