//! Exit codes, the same over releases.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use millstream_engine::{ConfigureError, LoadError};
use millstream_pipeline::RunError;
use millstream_pipeline::config::ConfigError;
use millstream_pipeline::replay::ReplayError;
use millstream_pipeline::source::{Remedy, SourceError};
use millstream_signing::SignatureError;
use millstream_testkit::CaseError;
use millstream_toolchain::{BuildError, DropInError, NewError};

const FAILURE: u8 = 1;
const CONFIGURATION: u8 = 2;
const ANOTHER_SOURCE: u8 = 3;

/// What has been printed already, with its reasons; only the exit code is left to say it.
#[derive(Debug)]
pub enum Told {
    /// Something waits.
    Waiting,
    /// Rows differ.
    Different,
    /// A record fails.
    Failing,
    /// Cases of a plugin failed.
    Failed,
    /// Cases of a plugin cannot be used.
    Unusable,
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Waiting => "something waits",
            Self::Different => "rows differ",
            Self::Failing => "a record fails",
            Self::Failed => "cases failed",
            Self::Unusable => "cases cannot be used",
        })
    }
}

impl std::error::Error for Told {}

/// What the command line asks for does not go as it is asked; the text says what would.
#[derive(Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Prints the error to standard error and gives the process's exit code. A reader of our output that
/// has seen enough (`| head`) is no error.
pub fn report(error: &anyhow::Error) -> ExitCode {
    let io = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    if io.into_iter().any(|error| error.kind() == ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    if let Some(told) = error.downcast_ref::<Told>() {
        return ExitCode::from(if matches!(told, Told::Unusable) { CONFIGURATION } else { FAILURE });
    }
    // Standard error may be closed, too, and then nobody is listening.
    let _ = writeln!(std::io::stderr(), "error: {}", text(error));
    ExitCode::from(code(error))
}

/// The error and its causes in one line; many errors say in their own text what caused them, and say it once.
pub fn text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn code(error: &anyhow::Error) -> u8 {
    let configuration = error.downcast_ref::<ConfigError>().is_some()
        || error.is::<Usage>()
        || error.is::<LoadError>()
        || error.is::<ConfigureError>()
        || error.downcast_ref::<RunError>().is_some_and(RunError::is_configuration)
        || error.downcast_ref::<ReplayError>().is_some_and(ReplayError::is_configuration)
        || error.downcast_ref::<SignatureError>().is_some()
        || error.downcast_ref::<BuildError>().is_some_and(BuildError::is_configuration)
        || error.downcast_ref::<NewError>().is_some_and(|error| !matches!(error, NewError::Io { .. }))
        || matches!(error.downcast_ref(), Some(DropInError::NoFolder { .. }))
        || error.downcast_ref::<CaseError>().is_some()
        // What a run meets is wrapped; this is a source that the command line itself named.
        || error.downcast_ref::<SourceError>().is_some_and(|e| e.remedy() == Remedy::FixConfiguration);
    match error.downcast_ref::<RunError>() {
        Some(error) if error.is_of_another_source() => ANOTHER_SOURCE,
        _ if configuration => CONFIGURATION,
        _ => FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::text;

    #[test]
    fn a_cause_is_said_once() {
        let error = std::io::Error::other("disk full");
        let error =
            Err::<(), _>(error).context("cannot write x: disk full").context("cannot go on").unwrap_err();
        assert_eq!(text(&error), "cannot go on: cannot write x: disk full");
    }
}
