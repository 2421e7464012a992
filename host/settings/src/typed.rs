//! The shared sections as typed, key by key. Only those who check a document see these types.

mod grants;
mod schema;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

pub use grants::{Grants, HttpGrant, SecretHeader};
pub use schema::{
    Column, ColumnTable, ColumnType, Epoch, EventTime, EventTimeTable, Mismatch, SchemaKeys, UnknownFields,
};

use crate::units::{ByteSize, Span};

/// What stands beside a plugin, in `<plugin>.toml`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginFile {
    /// What it may touch.
    #[serde(default)]
    pub grants: Grants,
    /// What it may use.
    #[serde(default)]
    pub limits: Limits,
    /// Its parameters.
    #[serde(default)]
    pub config: toml::Table,
}

/// What a call of a plugin may use.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Time of a call.
    pub deadline: Option<Span>,
    /// Linear memory.
    pub memory: Option<ByteSize>,
    /// Stack.
    pub stack: Option<ByteSize>,
    /// What a call may return.
    pub output: Option<ByteSize>,
    /// Calls to the host.
    pub host_calls: Option<u64>,
    /// Lines of log in a second.
    pub log_lines: Option<u32>,
    /// Bytes of log in a second.
    pub log_bytes: Option<ByteSize>,
}

/// A table whose keys keep the order of the file.
#[derive(Clone, Debug)]
pub struct Ordered<T>(pub Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(std::marker::PhantomData))
    }
}
