//! Runs the project's binaries as a user does.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// One command line.
pub struct Command(std::process::Command);

/// What a command left behind.
#[derive(Debug)]
pub struct Output {
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A command that is running; killed when dropped.
pub struct Running {
    child: Child,
    stderr: Option<std::thread::JoinHandle<String>>,
    lines: std::sync::mpsc::Receiver<String>,
}

/// Longest time that any command of a test may take.
const PATIENCE: Duration = Duration::from_secs(120);

impl Command {
    /// `millstream ARGS…`, with an environment that holds no setting of ours and no credentials.
    pub fn millstream<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        Self::new("millstream", args)
    }

    /// `millstream-simulator ARGS…`, in the same environment.
    pub fn simulator<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        Self::new("millstream-simulator", args)
    }

    fn new<S: AsRef<std::ffi::OsStr>>(name: &str, args: impl IntoIterator<Item = S>) -> Self {
        let mut command = std::process::Command::new(binary(name));
        const OURS: [&str; 5] = ["MILLSTREAM_", "AWS_", "AZURE_", "AZURITE_", "GOOGLE_"];
        let ours = |name: &str| OURS.iter().any(|prefix| name.starts_with(prefix));
        for (variable, _) in std::env::vars().filter(|(name, _)| ours(name)) {
            command.env_remove(variable);
        }
        command.args(args).stdin(Stdio::null());
        Self(command)
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, variable: &str, value: &str) -> Self {
        self.0.env(variable, value);
        self
    }

    /// Sets the working folder.
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    /// Lets the command begin with a signal ignored, by its name (`XFSZ`).
    pub fn with_signal_ignored(self, name: &str) -> Self {
        self.behind("env", &[&format!("--ignore-signal={name}")])
    }

    /// Lets the command begin without a terminal, whatever the tests have.
    pub fn without_terminal(self) -> Self {
        self.behind("setsid", &[])
    }

    /// The command, begun by another program.
    fn behind(self, program: &str, args: &[&str]) -> Self {
        let mut command = std::process::Command::new(program);
        command.args(args).arg(self.0.get_program()).args(self.0.get_args());
        for (variable, value) in self.0.get_envs() {
            match value {
                Some(value) => command.env(variable, value),
                None => command.env_remove(variable),
            };
        }
        if let Some(folder) = self.0.get_current_dir() {
            command.current_dir(folder);
        }
        command.stdin(Stdio::null());
        Self(command)
    }

    /// Starts the command.
    pub fn start(mut self) -> Running {
        let mut child =
            self.0.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary was built");
        let (sender, lines) = std::sync::mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let stderr = std::thread::spawn(move || {
            let mut all = String::new();
            for line in stderr.lines().map_while(Result::ok) {
                all.push_str(&line);
                all.push('\n');
                // Nobody may be listening for lines any more.
                let _ = sender.send(line);
            }
            all
        });
        Running { child, stderr: Some(stderr), lines }
    }

    /// Runs the command to its end.
    pub fn run(self) -> Output {
        self.start().finish()
    }

    /// Runs the command, which must succeed; gives its standard output.
    #[track_caller]
    pub fn succeed(self) -> String {
        let output = self.run();
        assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
        output.stdout
    }
}

impl Running {
    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// True once the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the child is ours").is_some()
    }

    /// Sends a signal, by its name (`TERM`, `KILL`).
    pub fn signal(&self, name: &str) {
        let kill =
            std::process::Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(kill.expect("kill is there").success(), "no process {} to signal", self.pid());
    }

    /// True if a line of standard error that nobody has looked at yet satisfies `wanted`.
    pub fn has_said(&self, wanted: impl Fn(&str) -> bool) -> bool {
        self.lines.try_iter().any(|line| wanted(&line))
    }

    /// Waits until a line of standard error satisfies `wanted`.
    #[track_caller]
    pub fn wait_for_line(&self, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if wanted(&line) => return line,
                Ok(_) => {}
                Err(error) => panic!("the line did not come: {error}"),
            }
        }
    }

    /// Waits for the end.
    #[track_caller]
    pub fn finish(self) -> Output {
        self.finish_within(PATIENCE)
    }

    /// Waits for the end of a command that may take so long.
    #[track_caller]
    pub fn finish_within(mut self, patience: Duration) -> Output {
        let stdout =
            self.child.stdout.take().map(|stdout| std::thread::spawn(|| std::io::read_to_string(stdout)));
        let end = Instant::now() + patience;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                break status;
            }
            assert!(Instant::now() < end, "the command did not end within {patience:?}");
            std::thread::sleep(Duration::from_millis(5));
        };
        let stdout =
            stdout.map(|thread| thread.join().expect("reading does not panic").expect("stdout is text"));
        let stderr = self.stderr.take().map(|thread| thread.join().expect("reading does not panic"));
        Output { code: status.code(), stdout: stdout.unwrap_or_default(), stderr: stderr.unwrap_or_default() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What it said is worth most where a test fails.
        if let Some(stderr) = self.stderr.take().filter(|_| std::thread::panicking()) {
            eprintln!("{}", stderr.join().unwrap_or_default());
        }
    }
}

/// Path of a binary of the workspace, built if it is not up to date.
pub(crate) fn binary(name: &str) -> PathBuf {
    program_folder().join(name)
}

/// Folder with the binaries of the workspace, built if they are not up to date.
pub fn program_folder() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut cargo = std::process::Command::new(env!("CARGO"));
        // What cargo tells this test of its package would make a build script that looks at it (ring's does)
        // run again, and everything above it be compiled anew.
        let of_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (variable, _) in std::env::vars().filter(|(name, _)| of_package(name)) {
            cargo.env_remove(variable);
        }
        // The whole workspace, so that dependencies have the features they were tested with.
        cargo
            .args(["build", "--quiet", "--locked", "--workspace", "--bins"])
            .current_dir(crate::repository());
        let status = cargo.status();
        assert!(status.expect("cargo is there").success(), "the binaries do not build");
        let program = std::env::current_exe().expect("a program knows its path");
        let folder = program.parent().expect("a program lies in a folder");
        // Tests lie in target/PROFILE/deps, binaries in target/PROFILE.
        folder.ancestors().find(|folder| !folder.ends_with("deps")).expect("a folder has a parent").to_owned()
    })
}
