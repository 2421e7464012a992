//! Exit codes, the same over releases.

use std::process::ExitCode;

use millstream_pipeline::RunError;
use millstream_pipeline::config::ConfigError;

const FAILURE: u8 = 1;
const CONFIGURATION: u8 = 2;
const ANOTHER_SOURCE: u8 = 3;

/// Prints the error to standard error and gives the process's exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(code(error))
}

fn code(error: &anyhow::Error) -> u8 {
    let configuration = error.downcast_ref::<ConfigError>().is_some()
        || error.downcast_ref::<RunError>().is_some_and(RunError::is_configuration);
    match error.downcast_ref::<RunError>() {
        Some(RunError::AnotherSource { .. }) => ANOTHER_SOURCE,
        _ if configuration => CONFIGURATION,
        _ => FAILURE,
    }
}
