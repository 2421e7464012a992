//! What can be wrong with a configuration.

use std::path::PathBuf;

/// A configuration that cannot be used; its text says where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key or value is wrong.
    #[error("{place}: {}{message}", if key.is_empty() { String::new() } else { format!("`{key}`: ") })]
    Invalid {
        /// `file:line:column`, or the environment variable.
        place: String,
        /// Dotted key; empty if the file is not TOML at that place.
        key: String,
        /// What is wrong and what was expected.
        message: String,
    },
}
