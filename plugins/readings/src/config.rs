//! What the configurations of the cleansing plugins share: what to do with a row that is in doubt, and
//! what can be wrong with a key.

use std::fmt;

use millstream_sdk::plan::ConfigProblem;
use serde::Deserialize;

/// Keep or reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Treatment {
    /// The row goes on.
    Keep,
    /// It becomes a dead letter.
    Reject,
}

impl Treatment {
    /// For `#[serde(default = "Treatment::keep")]`.
    pub fn keep() -> Self {
        Self::Keep
    }

    /// For `#[serde(default = "Treatment::reject")]`.
    pub fn reject() -> Self {
        Self::Reject
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// There is no time zone of this name.
    Zone(String),
    /// A bound that must be above zero.
    NotAboveZero {
        /// The key.
        key: &'static str,
        /// Its value.
        value: f64,
    },
    /// A bound that must be a finite number, zero or above.
    Negative {
        /// The key.
        key: &'static str,
        /// Its value.
        value: f64,
    },
    /// A lower bound that is above the upper one.
    Empty {
        /// Key of the lower bound.
        key: &'static str,
        /// Its value.
        min: f64,
        /// Key of the upper bound.
        max_key: &'static str,
        /// Its value.
        max: f64,
    },
    /// A spelling that is to mean a word that no vocabulary has.
    Meaning {
        /// The spelling.
        spelling: String,
        /// What it should mean.
        meaning: String,
    },
}

impl Problem {
    /// The key it is about, as `zone` or `spellings.Actice`.
    pub fn key(&self) -> String {
        match self {
            Self::Zone(_) => "zone".to_owned(),
            Self::NotAboveZero { key, .. } | Self::Negative { key, .. } | Self::Empty { key, .. } => {
                (*key).to_owned()
            }
            Self::Meaning { spelling, .. } => format!("spellings.{spelling}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zone(name) => {
                write!(formatter, "no time zone is called `{name}`: write an IANA name as `Europe/London`")
            }
            Self::NotAboveZero { value, .. } => {
                write!(formatter, "{value} is no maximum: write a number above 0")
            }
            Self::Negative { value, .. } => {
                write!(formatter, "{value} is no bound: write a number, 0 or above")
            }
            Self::Empty { min, max_key, max, .. } => {
                write!(formatter, "{min} is above `{max_key}`, {max}: nothing would be between them")
            }
            Self::Meaning { meaning, .. } => {
                write!(
                    formatter,
                    "`{meaning}` is not a word that this plugin knows: write one that it writes"
                )
            }
        }
    }
}

impl From<Problem> for ConfigProblem {
    fn from(problem: Problem) -> Self {
        Self { path: problem.key(), message: problem.to_string() }
    }
}

/// The value, or nothing and a note of its problems: so that all parts of a configuration are checked
/// before the first problem is reported.
pub fn noted<T>(checked: Result<T, Vec<Problem>>, problems: &mut Vec<Problem>) -> Option<T> {
    checked.map_err(|mut found| problems.append(&mut found)).ok()
}
