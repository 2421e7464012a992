//! The shell of one reader: one bash for a whole page, so that folders and variables last as they do for people.
//! Commands go in one at a time and leave with what they printed; all that they started ends with the session.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};

/// Begins the line that ends what a command printed; nothing that is printed on purpose begins like it.
const END: char = '\u{1e}';

/// A shell.
pub struct Session {
    shell: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    patience: Duration,
    started: usize,
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// What it printed, on both outputs.
    pub output: String,
    /// Its exit code.
    pub code: i32,
}

impl Session {
    /// A shell in `folder` that finds the programs in `programs` first. A command that takes longer than `patience` fails.
    ///
    /// # Errors
    /// If bash cannot be started.
    pub fn start(folder: &Path, programs: &Path, patience: Duration) -> anyhow::Result<Self> {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("bash");
        // What the tests were told is not the reader's.
        for (variable, _) in std::env::vars() {
            if ["MILLSTREAM_", "CARGO", "RUSTC", "RUSTUP_TOOLCHAIN"]
                .iter()
                .any(|ours| variable.starts_with(ours))
            {
                shell.env_remove(variable);
            }
        }
        if let Some(home) = std::env::var_os("CARGO_HOME") {
            shell.env("CARGO_HOME", home);
        }
        let mut shell = shell
            .args(["--noprofile", "--norc", "-c", "exec 2>&1; while read -r -d $'\\036' typed; do eval \"$typed\"; printf '\\n\\036%s\\n' $?; done"])
            .env("PATH", format!("{}:{path}", programs.display()))
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("the guide is run by bash: it must be installed")?;
        let (Some(input), Some(output)) = (shell.stdin.take(), shell.stdout.take()) else {
            bail!("no pipes")
        };
        let (sender, lines) = mpsc::sync_channel(64);
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    // Nobody listens, but whoever writes must not wait.
                    let _ = std::io::copy(&mut output.by_ref(), &mut std::io::sink());
                }
                line.clear();
            }
        });
        Ok(Self { shell, input, lines, patience, started: 0 })
    }

    /// Types a command and waits for its end; one that ends with `&` goes on, its output in a file of its own.
    ///
    /// # Errors
    /// If it does not end in time, or the shell does.
    pub fn type_in(&mut self, command: &str) -> anyhow::Result<Typed> {
        let line = match command.trim_end().strip_suffix('&') {
            Some(command) => {
                self.started += 1;
                format!("{{ {command}; }} >.background-{}.log 2>&1 </dev/null &", self.started)
            }
            None => format!("{{ {command}\n}} </dev/null"),
        };
        write!(self.input, "{line}\u{1e}")
            .and_then(|()| self.input.flush())
            .context("the shell has ended")?;
        let mut output = String::new();
        loop {
            match self.lines.recv_timeout(self.patience) {
                Ok(line) => match line.strip_prefix(END) {
                    Some(code) => {
                        let code = code.trim().parse().context("the shell tells an exit code")?;
                        // The line break that the end begins with is the shell's.
                        output.pop();
                        return Ok(Typed { output, code });
                    }
                    None => output.push_str(&line),
                },
                Err(RecvTimeoutError::Timeout) => {
                    bail!("`{command}` has not ended within {:?}; it printed:\n{output}", self.patience)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("`{command}` ended the shell; it printed:\n{output}")
                }
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let group = format!("-{}", self.shell.id());
        // Those that were asked to end may want to commit first; the rest does not.
        for signal in ["-TERM", "-KILL"] {
            let _ = Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status();
            thread::sleep(Duration::from_millis(300));
        }
        let _ = self.shell.wait();
    }
}
