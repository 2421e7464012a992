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

/// Names of packages that bring a toolchain.
pub(crate) struct Packages {
    pub(crate) debian: &'static [&'static str],
    pub(crate) fedora: &'static str,
    pub(crate) homebrew: &'static str,
}

impl Packages {
    /// Installs those of Debian, where that can be done without asking; true if it worked.
    pub(crate) fn install(&self, say: &mut dyn FnMut(&str)) -> bool {
        let Some(apt) = find("apt-get") else { return false };
        let root = find("id").and_then(|id| ask(&id, &["-u"])).is_some_and(|id| id == "0");
        if !root {
            return false;
        }
        say(&format!("installing {} with apt-get, once", self.debian.join(" ")));
        let mut install = Command::new(&apt);
        install.env("DEBIAN_FRONTEND", "noninteractive").args([
            "install",
            "-y",
            "-qq",
            "--no-install-recommends",
        ]);
        let done = |command: &mut Command| run(command).is_ok_and(|status| status.success());
        done(Command::new(&apt).args(["update", "-qq"])) && done(install.args(self.debian))
    }

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
