//! The section `[secrets]`: names of values that no plugin and no file of ours may show. Each is read once,
//! when the configuration is, from a variable of the environment or from a file.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::check::resolve;
use super::typed;
use millstream_settings::{ConfigError, Document};

/// Largest secret that is read, in bytes.
const BYTES_MAX: u64 = 64 << 10;

/// A value that is not shown: neither `{}` nor `{:?}` prints it, and it cannot be serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// The value, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(not shown)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(a secret)")
    }
}

/// Secrets by name.
pub type Secrets = BTreeMap<String, Secret>;

/// Reads the secrets. No error tells anything of a value but what keeps it from being used.
pub(super) fn secrets(
    document: &Document,
    typed: BTreeMap<String, typed::Secret>,
) -> Result<Secrets, ConfigError> {
    let mut secrets = Secrets::new();
    for (name, source) in typed {
        let keys = ["secrets", name.as_str()];
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(legal) {
            return Err(document.error(&keys, "a secret's name is letters, digits, `_` and `-`"));
        }
        let read = match source {
            typed::Secret::Variable(variable) => of_variable(document, &variable),
            typed::Secret::File(file) => of_file(&resolve(document, file)),
        };
        let value = read.and_then(usable).map_err(|message| document.error(&keys, message))?;
        secrets.insert(name, Secret(value.into()));
    }
    Ok(secrets)
}

fn of_variable(document: &Document, variable: &str) -> Result<String, String> {
    let value = document.variable(variable);
    value.map(str::to_owned).ok_or_else(|| format!("the environment variable {variable} is not set"))
}

fn of_file(path: &std::path::Path) -> Result<String, String> {
    let shown = path.display();
    let length = std::fs::metadata(path).map_err(|error| format!("cannot read {shown}: {error}"))?.len();
    if length > BYTES_MAX {
        return Err(format!("{shown} has {length} bytes; a secret has 65536 at most"));
    }
    let bytes = std::fs::read(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    // The error of from_utf8 holds the bytes.
    let mut text = String::from_utf8(bytes).map_err(|_| format!("{shown} is not UTF-8"))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// Secrets travel in headers, which hold no control characters.
fn usable(value: String) -> Result<String, String> {
    if value.is_empty() {
        return Err("the secret is empty".to_owned());
    }
    if value.chars().any(char::is_control) {
        return Err("the secret holds a line break or another control character".to_owned());
    }
    Ok(value)
}
