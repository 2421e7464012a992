//! What can be wrong with a predicate.

use std::fmt;

/// A place in a predicate's text, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The character in the line; 0 if only the predicate as a whole is known.
    pub character: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { character: 0, .. } => f.write_str("in the predicate"),
            Self { line: 1, character } => write!(f, "at character {character}"),
            Self { line, character } => write!(f, "at line {line}, character {character}"),
        }
    }
}

/// A predicate that cannot be used; its text says where and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PredicateError {
    /// It is not an expression.
    #[error("{position}: {problem}")]
    Syntax {
        /// Where.
        position: Position,
        /// What is wrong.
        problem: String,
    },
    /// It is longer than any predicate needs to be.
    #[error("the predicate is too long: {found} {unit}, where {allowed} are allowed")]
    TooLong {
        /// What it has.
        found: usize,
        /// What it may have.
        allowed: usize,
        /// Of what.
        unit: &'static str,
    },
    /// Its parentheses or `not`s are nested deeper than any predicate needs.
    #[error("the predicate is nested too deep")]
    TooDeep,
    /// The rows have no such column.
    #[error("{position}: no column `{column}`; {}the columns are {}", did_you_mean(nearest), known.join(", "))]
    UnknownColumn {
        /// Where.
        position: Position,
        /// The column.
        column: String,
        /// The column that its writer may have meant.
        nearest: Option<String>,
        /// All columns.
        known: Vec<String>,
    },
    /// There are no functions.
    #[error("{position}: no function `{function}`; a predicate compares columns with constants and columns")]
    UnknownFunction {
        /// Where.
        position: Position,
        /// The function.
        function: String,
    },
    /// The types of what is compared do not fit.
    #[error("{position}: {left} cannot be compared with {right}{remedy}")]
    Type {
        /// Where.
        position: Position,
        /// One side, with its type.
        left: String,
        /// The other side.
        right: String,
        /// What to write instead; begins with `; ` if there is something.
        remedy: String,
    },
    /// SQL that predicates do not have.
    #[error("{position}: {what}")]
    Unsupported {
        /// Where.
        position: Position,
        /// What, and what there is instead.
        what: String,
    },
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!("did you mean `{name}`? "))
}
