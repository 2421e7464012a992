//! What can be wrong with a plugin's test before anything is compared.

use std::path::{Path, PathBuf};

use millstream_decode::SchemaError;
use millstream_engine::{ConfigureError, EngineError, LoadError};
use millstream_settings::ConfigError;

/// A plugin or a case cannot be used; its text says where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no folder of cases.
    #[error("{} is not there: make a folder for each case in it, with messages in input.jsonl, and run with --bless to \
             have what comes out written as what is expected", .0.display())]
    NoCases(PathBuf),
    /// The folder of cases is empty.
    #[error("{} has no cases: make a folder for each case in it, with messages in input.jsonl, and run with --bless to \
             have what comes out written as what is expected", .0.display())]
    EmptyFolder(PathBuf),
    /// No case has such a name.
    #[error("no case has `{filter}` in its name; there are {}", names.join(", "))]
    NoSuchCase {
        /// What was asked for.
        filter: String,
        /// Names of the cases there are.
        names: Vec<String>,
    },
    /// A case has no messages.
    #[error("{} is not there: write the messages of this case into it, one JSON object on a line", .0.display())]
    NoInput(PathBuf),
    /// A case has an input without messages.
    #[error("{} has no messages: write those of this case into it, one JSON object on a line", .0.display())]
    NoMessages(PathBuf),
    /// A case is larger than a case should be.
    #[error("{} has {bytes} bytes; a case has {most} at most: take fewer messages", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// A case does not say what is expected.
    #[error("{} is not there, nor error.txt: run with --bless to have what comes out written as what is expected, and \
             read it before you keep it", .0.display())]
    NoExpectation(PathBuf),
    /// A case expects rows and an error.
    #[error("{} has expected.jsonl and error.txt: delete the one that is not expected", .0.display())]
    TwoExpectations(PathBuf),
    /// A case is about something else.
    #[error("{} is there, so {not} is not written: delete it if that is not what this case expects", is.display())]
    OtherExpectation {
        /// The file that is there.
        is: PathBuf,
        /// The file that would be written.
        not: String,
    },
    /// A line of a file is wrong.
    #[error("{}:{line}: {message}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong with it and what was expected.
        message: String,
    },
    /// A lookup table of which the settings speak is not there.
    #[error("{} is not there: write the rows of lookup table `{table}` into it, one JSON object on a line, or take out \
             [lookup.{table}]", path.display())]
    NoTable {
        /// The file.
        path: PathBuf,
        /// The table.
        table: String,
    },
    /// A file cannot be a lookup table.
    #[error("{}: {message}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        message: String,
    },
    /// A file of settings is wrong.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// The columns of a case cannot be decoded.
    #[error("{place}: {source}")]
    Schema {
        /// The file that declares them, or the case.
        place: String,
        /// What is wrong.
        source: SchemaError,
    },
    /// A batch of rows that a case was given is not one.
    #[error("{0}")]
    Rows(String),
    /// The plugin takes these messages or parameters for wrong, which the case does not expect.
    #[error("{source}; if that is what this case is about, delete its expected.jsonl and run with --bless")]
    Configure {
        /// Why.
        source: ConfigureError,
    },
    /// The plugin keeps state and said that it cannot go on.
    #[error("the plugin stopped: {0}")]
    Stopped(String),
    /// The engine cannot be made.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The plugin cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl CaseError {
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}
