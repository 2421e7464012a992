//! Runs the programs of others: what they print goes to standard error, since standard output is for results.

use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::{BuildError, Language};

/// A program on the PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    which::which(program).ok()
}

/// Runs it to its end; nothing is asked of it.
pub(crate) fn run(command: &mut Command) -> Result<ExitStatus, BuildError> {
    let program = PathBuf::from(command.get_program());
    let fail = |source| BuildError::io(&program, source);
    let stderr = io::stderr().as_fd().try_clone_to_owned().map_err(fail)?;
    command.stdin(Stdio::null()).stdout(stderr).status().map_err(fail)
}

/// What it prints, if it can be run and ends well.
pub(crate) fn ask(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// Names of packages that bring a toolchain. They are named to people and never installed: a build changes nothing of
/// the system, but for the target that rustup may add for wasm.
pub(crate) struct Packages {
    pub(crate) debian: &'static [&'static str],
    pub(crate) fedora: &'static str,
    pub(crate) homebrew: &'static str,
}

impl Packages {
    /// What is wrong, and what to install against it.
    pub(crate) fn missing(&self, language: Language, problem: String) -> BuildError {
        let debian = self.debian.join(" ");
        let Self { fedora, homebrew, .. } = self;
        let remedy = format!(
            "install it (Debian: apt-get install {debian}; Fedora: dnf install {fedora}; Homebrew: brew install {homebrew})"
        );
        BuildError::Toolchain { language, problem, remedy }
    }
}
