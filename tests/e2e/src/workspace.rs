//! A folder for one test, with a configuration, a plugin folder and a lake in it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Command, S3};

/// The streams as an example declares them, from the first one on.
fn streams_of(example: &str) -> String {
    let path = repository().join(format!("examples/{example}/millstream.toml"));
    let text = std::fs::read_to_string(path).expect("the example");
    let start = text.find("[streams.").expect("the example has a stream");
    text[start..].to_owned()
}

const FILES: &str = "[source.files]\ndir = \"messages\"\npoll_interval = \"20ms\"";

/// A folder that is removed at the end of the test.
pub struct Workspace {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Workspace {
    /// A folder with the vehicle example's stream over `source` (a `[source.…]` section) and the
    /// plugin it uses.
    pub fn vehicle(source: &str) -> Self {
        Self::of_example("vehicle", &["vehicle"], source)
    }

    /// As [`Workspace::vehicle`], with the city example's five streams.
    pub fn city(source: &str) -> Self {
        Self::of_example("city", &["vehicle", "gps", "traffic", "weather", "emergency"], source)
    }

    fn of_example(example: &str, streams: &[&str], source: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let this = Self { folder, environment: Vec::new() };
        std::fs::create_dir(this.path("plugins")).expect("a new folder");
        std::fs::create_dir(this.path("messages")).expect("a new folder");
        for stream in streams {
            this.install(&format!("cleanse-{stream}"));
        }
        this.write(
            "millstream.toml",
            format!(
                "[lake]\nurl = \"lake\"\n\n{source}\n\n[checkpoint]\ninterval = \"200ms\"\n\n[worker]\nthreads = 2\n\n{}",
                streams_of(example)
            ),
        );
        this
    }

    /// As [`Workspace::vehicle`], over the files in `messages/`.
    pub fn files() -> Self {
        Self::vehicle(FILES)
    }

    /// As [`Workspace::city`], over the files in `messages/`.
    pub fn city_files() -> Self {
        Self::city(FILES)
    }

    /// As [`Workspace::files`], with the lake at `s3://lake/city` of `server`.
    pub fn files_to_s3(server: &S3) -> Self {
        Self::files_to("s3://lake/city", &server.environment())
    }

    /// As [`Workspace::files`], with the lake at `url`, which this environment reaches.
    pub fn files_to(url: &str, environment: &[(&str, &str)]) -> Self {
        let mut this = Self::files();
        this.configure("url = \"lake\"", &format!("url = \"{url}\""));
        let environment = environment.iter();
        this.environment = environment.map(|(name, value)| (name.to_string(), value.to_string())).collect();
        this
    }

    /// As [`Workspace::vehicle`], over the broker at `brokers`.
    pub fn kafka(brokers: &str) -> Self {
        Self::vehicle(&format!("[source.kafka]\nbrokers = \"{brokers}\""))
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
        std::fs::write(path, content).expect("a file");
    }

    /// Adds to a file, which a run may be reading: it never looks shorter than it was.
    pub fn append(&self, name: &str, content: &str) {
        use std::io::Write as _;
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        file.expect("a file").write_all(content.as_bytes()).expect("a file");
    }

    /// Changes the configuration.
    #[track_caller]
    pub fn configure(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path("millstream.toml")).expect("the configuration");
        assert!(text.contains(from), "nothing to change: `{from}`");
        self.write("millstream.toml", text.replacen(from, to, 1));
    }

    /// Drops a compiled plugin or guest into the plugin folder.
    pub fn install(&self, plugin: &str) {
        let to = self.path("plugins").join(format!("{plugin}.wasm"));
        std::fs::copy(millstream_guests::wasm(plugin), to).expect("the plugin was built");
    }

    /// `millstream ARGS…` in the folder, with the environment that reaches the lake.
    pub fn millstream(&self, args: &[&str]) -> Command {
        let command = Command::millstream(args).in_folder(self.folder.path());
        self.environment.iter().fold(command, |command, (name, value)| command.env(name, value))
    }

    /// Runs until everything has been read; gives the summary.
    #[track_caller]
    pub fn catch_up(&self) -> Value {
        let summary = self.millstream(&["run", "--until-caught-up", "--json"]).succeed();
        serde_json::from_str(&summary).expect("the summary is JSON")
    }

    /// Paths of the live files of a table.
    #[track_caller]
    pub fn files_of(&self, table: &str) -> Vec<String> {
        let files = self.millstream(&["tables", "files", table]).succeed();
        files.lines().map(str::to_owned).collect()
    }
}

/// Root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/e2e lies in the repository")
}

/// The recorded messages of one producer (`canonical`, `misspelt`, `us-route`) for one topic.
pub fn seeds(folder: &str, topic: &str) -> String {
    std::fs::read_to_string(repository().join(format!("tests/seeds/{folder}/{topic}.jsonl")))
        .expect("the seeds")
}
