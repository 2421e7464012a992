//! A server of objects for one test: started by one of the project's own scripts, gone when the test is.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A server on a free loopback port.
pub(crate) struct ObjectServer {
    script: &'static str,
    folder: PathBuf,
    /// Address, as `http://127.0.0.1:12345`.
    pub(crate) endpoint: String,
}

impl ObjectServer {
    /// Starts the server of `script` (`s3`, `azure`), which keeps its objects in `folder`.
    pub(crate) fn start(script: &'static str, folder: &Path) -> Self {
        let mut server = Self { script, folder: folder.to_owned(), endpoint: String::new() };
        server.endpoint = server.launch();
        server
    }

    /// Starts a server that was killed, at its address.
    pub(crate) fn start_again(&self) {
        assert_eq!(self.launch(), self.endpoint, "another program has taken the server's port");
    }

    /// Starts the server; gives its address.
    fn launch(&self) -> String {
        let owner = std::process::id().to_string();
        let output = self.output("start", &["--owner", &owner]);
        let stdout = String::from_utf8_lossy(&output.stdout);
        let endpoint = stdout.trim().split_once("_ENDPOINT=").map(|(_, endpoint)| endpoint.to_owned());
        endpoint.unwrap_or_else(|| panic!("no server: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Runs another verb of the script, which must succeed.
    #[track_caller]
    pub(crate) fn run(&self, verb: &str, args: &[&str]) {
        let output = self.output(verb, args);
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Sends the server's process a signal, as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let output = self.output("status", &[]);
        let status = String::from_utf8_lossy(&output.stdout).into_owned();
        let pid = status.split_whitespace().find_map(|word| word.strip_prefix("pid="));
        let pid = pid.unwrap_or_else(|| panic!("no server runs: {status}"));
        let sent = Command::new("kill").arg(format!("-{name}")).arg(pid).status();
        assert!(sent.expect("kill is there").success(), "no process {pid} to signal");
    }

    fn output(&self, verb: &str, args: &[&str]) -> std::process::Output {
        let mut command = Command::new(crate::repository().join("scripts").join(self.script));
        command.arg(verb).arg(&self.folder).args(args).output().expect("it is a bash script")
    }
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        // If it cannot be stopped, its owner's end does it.
        self.output("stop", &[]);
    }
}
