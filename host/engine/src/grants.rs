//! What a plugin may touch: plain data, read from the file beside the plugin by whoever configures a step
//! and checked against the plugin's plan before any row flows (`plan/granted.rs`). Secrets are named here,
//! never held: their values stay with whoever makes the requests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a plugin may touch. The default is that of a plugin without a file: the columns that its plan
/// names, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The file they stand in, for messages; empty: `plugins/<plugin>.toml`.
    pub file: String,
    /// Columns and secrets must be named to be granted; otherwise a list that is not there grants what the
    /// plan names.
    pub strict: bool,
    /// Columns it may read. `_topic`, `_partition`, `_offset`, `_timestamp` and `_event_time` may always be
    /// read; `_key` may hold anything, so it is granted like a declared column.
    pub read: Option<BTreeSet<String>>,
    /// Columns it may write, drop or emit.
    pub write: Option<BTreeSet<String>>,
    /// State stores it may keep.
    pub stores: BTreeSet<String>,
    /// Lookup tables it may read.
    pub tables: BTreeSet<String>,
    /// Servers it may send requests to.
    pub http: BTreeMap<Origin, HttpGrant>,
    /// Secrets that the headers of `http` may name.
    pub secrets: Option<BTreeSet<String>>,
}

/// A server as a grant names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Host name in lower case (ASCII, international names in their `xn--` form) or address; an IPv6 address
    /// stands in brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// The port that is meant where none is written.
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if self.port == self.scheme.port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// What a plugin may ask of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGrant {
    /// Methods in upper case; `GET` by default.
    pub methods: BTreeSet<String>,
    /// Beginnings of paths, each with a leading `/`; `/` by default, which is every path.
    pub paths: BTreeSet<String>,
    /// The server may have a loopback, private or otherwise internal address.
    pub allow_private: bool,
    /// Headers that the host adds to every request, by name in lower case. The plugin never sees them.
    pub headers: BTreeMap<String, SecretHeader>,
}

impl Default for HttpGrant {
    fn default() -> Self {
        Self {
            methods: BTreeSet::from(["GET".to_owned()]),
            paths: BTreeSet::from(["/".to_owned()]),
            allow_private: false,
            headers: BTreeMap::new(),
        }
    }
}

/// The value of a header: `prefix`, then what the secret of this name holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretHeader {
    /// Name of a secret of the configuration.
    pub secret: String,
    /// Text before it, such as `Bearer `.
    pub prefix: String,
}
