//! A real S3 server for one test: started by the project's own script, gone when the test is.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A server of its own on a free loopback port, with one bucket, `lake`.
pub struct S3 {
    folder: PathBuf,
    /// Address, as `http://127.0.0.1:12345`.
    pub endpoint: String,
}

impl S3 {
    /// Access key and secret key that the server accepts.
    pub const KEYS: (&str, &str) = ("millstream", "millstream-secret");

    /// Starts a server that keeps its objects in `folder`.
    pub fn start(folder: &Path) -> Self {
        let owner = std::process::id().to_string();
        let output = script(&["start", &folder.to_string_lossy(), "--owner", &owner]).output();
        let output = output.expect("scripts/s3 is a bash script");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let endpoint = stdout.trim().strip_prefix("S3_ENDPOINT=");
        let endpoint =
            endpoint.unwrap_or_else(|| panic!("no server: {}", String::from_utf8_lossy(&output.stderr)));
        Self { folder: folder.to_owned(), endpoint: endpoint.to_owned() }
    }

    /// What a user sets in the environment to reach it.
    pub fn environment(&self) -> [(&'static str, &str); 5] {
        [
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", Self::KEYS.0),
            ("AWS_SECRET_ACCESS_KEY", Self::KEYS.1),
        ]
    }

    /// Lets the server hang: it accepts and answers nothing, until [`S3::resume`].
    pub fn suspend(&self) {
        self.signal("STOP");
    }

    /// Lets the server go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let output = script(&["status", &self.folder.to_string_lossy()]).output();
        let output = output.expect("scripts/s3 is a bash script");
        let status = String::from_utf8_lossy(&output.stdout).into_owned();
        let pid = status.split_whitespace().find_map(|word| word.strip_prefix("pid="));
        let pid = pid.unwrap_or_else(|| panic!("no server runs: {status}"));
        let sent = Command::new("kill").arg(format!("-{name}")).arg(pid).status();
        assert!(sent.expect("kill is there").success(), "no process {pid} to signal");
    }

    /// Ends the server as a crash does; [`S3::start`] on its folder brings it back at the same address.
    pub fn kill(&self) {
        let output = script(&["kill", &self.folder.to_string_lossy()]).output();
        assert!(output.expect("scripts/s3 is a bash script").status.success(), "the server cannot be killed");
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // If it cannot be stopped, its owner's end does it.
        let _ = script(&["stop", &self.folder.to_string_lossy()]).output();
    }
}

fn script(args: &[&str]) -> Command {
    let mut command = Command::new(crate::repository().join("scripts/s3"));
    command.args(args);
    command
}
