//! Files of settings: TOML that still knows where everything in it stands ([`document`]), and the sections that more
//! than one kind of file holds: the schema of messages, and what stands beside a plugin. Text enters; checked values
//! leave, or a [`ConfigError`] that names file, line and key. It knows no source, no lake and no steps.

pub mod document;
mod error;
pub mod limits;
pub mod path;
pub mod plugin_file;
pub mod schema;
pub mod typed;
pub mod units;

pub use document::{Document, Placed};
pub use error::ConfigError;
