//! The languages that plugins are written in.

use std::fmt;

/// A language that plugins are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// Compiled by cargo, to a core module.
    Rust,
    /// Componentized with its interpreter by componentize-py.
    Python,
    /// Componentized with its engine by componentize-js; TypeScript too.
    Javascript,
    /// Compiled by clang, to a core module.
    C,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rust, Self::Python, Self::Javascript, Self::C];

    /// The file by which a plugin's folder is known to be of this language.
    pub fn manifest(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Python => "pyproject.toml",
            Self::Javascript => "package.json",
            Self::C => "plugin.c",
        }
    }

    /// Where its SDK lies below `sdk/`.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Javascript => "javascript",
            Self::C => "c",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::Javascript => "JavaScript",
            Self::C => "C",
        })
    }
}
