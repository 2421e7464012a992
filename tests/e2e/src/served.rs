//! A run that serves HTTP on a port of its own, and a client that is not ours to look at it with.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Command, Output, Running, Workspace};

/// Longest wait for a run to become as expected.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two looks.
const GLANCE: Duration = Duration::from_millis(20);

/// `millstream run --listen 127.0.0.1:0`.
pub struct Served {
    running: Running,
    /// Where it listens, as `127.0.0.1:12345`.
    pub address: String,
}

impl Served {
    /// Starts a run in the workspace.
    #[track_caller]
    pub fn start(workspace: &Workspace) -> Self {
        Self::of(workspace.millstream(&["run", "--listen", "127.0.0.1:0"]))
    }

    /// As [`Served::start`], of a worker with this name.
    #[track_caller]
    pub fn worker(workspace: &Workspace, name: &str) -> Self {
        let run = workspace.millstream(&["run", "--listen", "127.0.0.1:0"]);
        Self::of(run.env("MILLSTREAM_WORKER__NAME", name))
    }

    /// As [`Served::worker`], with more variables of the environment.
    #[track_caller]
    pub fn worker_with(workspace: &Workspace, name: &str, environment: &[(&str, &str)]) -> Self {
        let run = workspace.millstream(&["run", "--listen", "127.0.0.1:0"]);
        let run = environment.iter().fold(run, |run, (variable, value)| run.env(variable, value));
        Self::of(run.env("MILLSTREAM_WORKER__NAME", name))
    }

    /// As [`Served::start`], with the environment variable `variable` set.
    #[track_caller]
    pub fn with(workspace: &Workspace, variable: &str, value: &str) -> Self {
        Self::of(workspace.millstream(&["run", "--listen", "127.0.0.1:0"]).env(variable, value))
    }

    #[track_caller]
    fn of(run: Command) -> Self {
        let running = run.start();
        let line = running.wait_for_line(|line| line.contains("serving http://"));
        let (_, address) = line.split_once("serving http://").expect("the line was chosen for it");
        Self { running, address: address.trim().to_owned() }
    }

    /// Asks for `path`; gives the code and the body of the answer.
    #[track_caller]
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut answer = String::new();
        self.request(path).read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status code");
        (code, body.to_owned())
    }

    /// Asks for `path`; the answer is left to be read.
    #[track_caller]
    pub fn request(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("the run listens");
        // HTTP/1.0: the answer comes as it is and ends with the connection.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address).expect("the run listens");
        stream
    }

    /// Sends a request to the admin API with a token, if there is one, and a JSON body, if it is not empty; gives
    /// the code, the head and the body of the answer.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> (u16, String, String) {
        let token = token.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
        let (host, length) = (&self.address, body.len());
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let mut stream = TcpStream::connect(host).expect("the run listens");
        let head =
            format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\n{token}{kind}Content-Length: {length}");
        write!(stream, "{head}\r\n\r\n{body}").expect("the run listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status code");
        (code, head.to_owned(), body.to_owned())
    }

    /// The run's status.
    #[track_caller]
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.get("/status").1).expect("the status is JSON")
    }

    /// Waits until so many messages of `stream` are committed.
    #[track_caller]
    pub fn wait_until_committed(&self, stream: &str, messages: usize) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            let streams = status["streams"].as_array().into_iter().flatten();
            let committed =
                streams.filter(|s| s["name"] == stream).map(|s| s["committed"]["in"].clone()).next();
            if committed == Some(messages.into()) {
                return status;
            }
            assert!(Instant::now() < end, "{messages} messages were not committed: {status:#}");
            std::thread::sleep(GLANCE);
        }
    }

    /// Samples of the metrics by name and labels, as Prometheus writes them.
    #[track_caller]
    pub fn metric(&self, sample: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics");
        text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
    }

    /// Sends the run a signal, by its name (`STOP`, `KILL`).
    pub fn signal(&self, name: &str) {
        self.running.signal(name);
    }

    /// Waits for the end of the run.
    #[track_caller]
    pub fn finish(self) -> Output {
        self.running.finish()
    }

    /// Ends the run.
    #[track_caller]
    pub fn stop(self) -> Output {
        self.running.signal("TERM");
        let output = self.running.finish();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        output
    }
}
