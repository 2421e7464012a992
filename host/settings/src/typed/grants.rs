//! The keys that say what a plugin may touch.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The section `[grants]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Whether what is not named is refused.
    #[serde(default)]
    pub strict: bool,
    /// Columns that may be read.
    pub read: Option<Vec<String>>,
    /// Columns that may be written.
    pub write: Option<Vec<String>>,
    /// State stores.
    #[serde(default)]
    pub stores: Vec<String>,
    /// Lookup tables.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Secrets that its requests may carry.
    pub secrets: Option<Vec<String>>,
    /// Servers, as `api.example.com` or `http://localhost:8080`.
    #[serde(default)]
    pub http: BTreeMap<String, HttpGrant>,
}

/// What may be asked of a server.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpGrant {
    /// Methods.
    pub methods: Option<Vec<String>>,
    /// Beginnings of paths.
    pub paths: Option<Vec<String>>,
    /// Whether the server may be in a private network.
    #[serde(default)]
    pub allow_private: bool,
    /// Headers that are made of secrets.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretHeader>,
}

/// A header that is made of a secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretHeader {
    /// Name of the secret.
    pub secret: String,
    /// What stands before it.
    #[serde(default)]
    pub prefix: String,
}
