//! A real terminal for one test: tmux on a socket of its own, in which a command runs as for a person who
//! looks at it and types.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Longest time that anything may take to appear.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two looks at the screen.
const GLANCE: Duration = Duration::from_millis(50);

/// A terminal with a command in it; it ends with the test.
pub struct Terminal {
    folder: tempfile::TempDir,
}

impl Terminal {
    /// Runs `millstream ARGS…` in `folder`, in a terminal of so many columns and lines.
    pub fn start(args: &[&str], folder: &Path, (columns, lines): (u16, u16)) -> Self {
        let this = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let size = ["-x".to_owned(), columns.to_string(), "-y".to_owned(), lines.to_string()];
        let output = this
            .tmux(&["-f", "/dev/null", "new-session", "-d", "-s", "test"])
            .args(size)
            .current_dir(folder)
            .arg("--")
            .arg(crate::command::binary("millstream"))
            .args(args)
            .output();
        succeeded(output);
        this
    }

    /// What the screen shows.
    pub fn screen(&self) -> String {
        let output = self.tmux(&["capture-pane", "-p", "-t", "test"]).output().expect("tmux is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until the screen is as `wanted`; gives it.
    #[track_caller]
    pub fn wait_for(&self, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(Instant::now() < end, "the screen never was as expected; it is:\n{screen}");
            std::thread::sleep(GLANCE);
        }
    }

    /// Types a key, by tmux's name for it (`q`, `C-c`, `Down`).
    pub fn press(&self, key: &str) {
        succeeded(self.tmux(&["send-keys", "-t", "test", key]).output());
    }

    /// Changes the size.
    pub fn resize(&self, columns: u16, lines: u16) {
        let (columns, lines) = (columns.to_string(), lines.to_string());
        succeeded(self.tmux(&["resize-window", "-t", "test", "-x", &columns, "-y", &lines]).output());
    }

    /// Waits until the command has ended, and the terminal with it.
    #[track_caller]
    pub fn wait_for_end(&self) {
        let end = Instant::now() + PATIENCE;
        while self.tmux(&["has-session", "-t", "test"]).output().expect("tmux is installed").status.success()
        {
            assert!(Instant::now() < end, "the command did not end; the screen is:\n{}", self.screen());
            std::thread::sleep(GLANCE);
        }
    }

    fn tmux(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("MILLSTREAM_")) {
            command.env_remove(variable);
        }
        command
            .env_remove("TMUX")
            .env("LC_ALL", "C.UTF-8")
            .arg("-u")
            .arg("-S")
            .arg(self.folder.path().join("tmux"));
        command.args(args);
        command
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended with its command.
        let _ = self.tmux(&["kill-server"]).output();
    }
}

#[track_caller]
fn succeeded(output: std::io::Result<Output>) {
    let output = output.expect("tmux is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
