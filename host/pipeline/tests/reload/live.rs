//! A run in this process over a folder of messages, and what it left in its lake.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use millstream_engine::{Engine, EngineSettings};
use millstream_log::StepVersion;
use millstream_model::{Digest, SystemClock};
use millstream_pipeline::admin::{Admin, AdminError, CandidateState, Reply, Request, ShadowId, ShadowStatus};
use millstream_pipeline::checkpoint::CheckpointLog;
use millstream_pipeline::config::Config;
use millstream_pipeline::lake::Lake;
use millstream_pipeline::reload::ConfigSource;
use millstream_pipeline::run::{self, Until};
use millstream_pipeline::sink::read;
use millstream_pipeline::source::Departure;
use millstream_pipeline::start;
use millstream_pipeline::telemetry::Telemetry;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::step;

/// Longest wait for a run to do as expected.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two looks.
const GLANCE: Duration = Duration::from_millis(10);

/// A guest with a digest of its own: a custom section of this name is added.
pub fn version(guest: &str, name: char) -> Vec<u8> {
    let bytes = std::fs::read(millstream_guests::wasm(guest)).unwrap();
    [bytes.as_slice(), &[0, 2, 1, name as u8]].concat()
}

/// A folder with a configuration, messages, plugins and a lake. The step runs the guest `misbehave`, which doubles
/// the numbers, or does not (`identity`).
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A place where the step has these lines, too.
    pub fn new(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("messages/numbers")).unwrap();
        std::fs::create_dir(folder.path().join("plugins")).unwrap();
        let configuration = format!(
            "[lake]\nurl = \"lake\"\n[source.files]\ndir = \"messages\"\npoll_interval = \"10ms\"\n\
             [checkpoint]\ninterval = \"50ms\"\n[worker]\nthreads = 2\n\
             [streams.numbers]\ntopic = \"numbers\"\n[streams.numbers.schema]\n\
             n = {{ type = \"int64\", required = true }}\noriginal = \"int64\"\n\
             speed = {{ type = \"float64\", required = true }}\n\
             \"location.lat\" = {{ type = \"float64\", required = true }}\n\
             [[streams.numbers.steps]]\nname = \"step\"\nplugin = \"step\"\n{lines}\
             config = {{ mode = \"double\" }}\n"
        );
        let this = Self { folder };
        std::fs::write(this.configuration(), configuration).unwrap();
        this.write_plugin(&version("misbehave", 'a'));
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration's file.
    pub fn configuration(&self) -> PathBuf {
        self.path("millstream.toml")
    }

    /// Changes the configuration.
    #[track_caller]
    pub fn configure(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.configuration()).unwrap();
        assert!(text.contains(from), "nothing to change: `{from}`");
        std::fs::write(self.configuration(), text.replacen(from, to, 1)).unwrap();
    }

    /// Adds a stream of its own topic with the same step; gives its lines of the configuration.
    pub fn add_stream(&self, name: &str) -> String {
        std::fs::create_dir_all(self.path(&format!("messages/{name}"))).unwrap();
        let lines = format!(
            "[streams.{name}]\ntopic = \"{name}\"\nschema = {{ n = {{ type = \"int64\", required = true }} }}\n\
             [[streams.{name}.steps]]\nname = \"step\"\nplugin = \"step\"\nconfig = {{ mode = \"double\" }}\n"
        );
        let text = std::fs::read_to_string(self.configuration()).unwrap();
        std::fs::write(self.configuration(), text + &lines).unwrap();
        lines
    }

    /// The steps that the log desires.
    pub fn desired(&self) -> Vec<String> {
        let used = runtime().block_on(async { self.log().await.state().plugins().to_vec() });
        used.into_iter().map(|used| format!("{}/{}", used.stream, used.step)).collect()
    }

    /// Writes the plugin's file.
    pub fn write_plugin(&self, bytes: &[u8]) {
        self.write_other("step", bytes);
    }

    /// Writes the file of the plugin of this name.
    pub fn write_other(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(&format!("plugins/{name}.wasm")), bytes).unwrap();
    }

    /// Puts the plugin's file there by renaming it.
    pub fn drop_in(&self, bytes: &[u8]) {
        std::fs::write(self.path("plugins/step.wasm.part"), bytes).unwrap();
        std::fs::rename(self.path("plugins/step.wasm.part"), self.path("plugins/step.wasm")).unwrap();
    }

    /// Adds messages.
    pub fn send(&self, messages: i64) {
        (1..=messages).for_each(|n| self.send_number(n));
    }

    /// Adds a message.
    pub fn send_number(&self, n: i64) {
        let path = self.path("messages/numbers/0.jsonl");
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "{{\"n\":{n},\"original\":{n},\"speed\":1.0,\"location\":{{\"lat\":1.0}}}}").unwrap();
    }

    fn messages(&self) -> u64 {
        let text = std::fs::read_to_string(self.path("messages/numbers/0.jsonl")).unwrap_or_default();
        text.lines().count() as u64
    }

    /// The lake, which a run has made.
    pub fn lake(&self) -> Lake {
        Lake::open_existing(self.path("lake").to_str().unwrap()).unwrap()
    }

    /// The log, for reading.
    pub async fn log(&self) -> CheckpointLog {
        start::open_log(&self.lake(), Arc::new(SystemClock)).await.unwrap()
    }

    /// Versions of the step, the present one last.
    pub fn versions(&self) -> Vec<StepVersion> {
        runtime().block_on(async { self.log().await.state().versions("numbers", "step").to_vec() })
    }

    /// What the versions came from.
    #[track_caller]
    pub fn causes(&self) -> Vec<String> {
        let cause = |version: StepVersion| match serde_json::to_value(version.cause).unwrap() {
            serde_json::Value::String(cause) => cause,
            other => other.to_string(),
        };
        self.versions().into_iter().map(cause).collect()
    }

    /// Every message is in the table once, and each row shows the configuration of the version that the log names
    /// for its offset.
    #[track_caller]
    pub fn check_rows(&self) {
        let lake = self.lake();
        let rows = runtime().block_on(async {
            let log = self.log().await;
            let files: Vec<_> = log.state().files()["curated.numbers"].values().cloned().collect();
            let batches = read::first_rows(&lake.store(), &files, usize::MAX).await.unwrap();
            let column = |name: &str| -> Vec<i64> {
                let values = batches.iter().map(|rows| rows.column_by_name(name).unwrap());
                values.flat_map(|values| values.as_primitive::<Int64Type>().values().to_vec()).collect()
            };
            let numbers = column("n").into_iter().zip(column("original"));
            let mut rows: Vec<_> = column("_offset").into_iter().zip(numbers).collect();
            rows.sort_unstable();
            for (offset, (n, original)) in &rows {
                let version = log.state().version_at("numbers", "step", 0, *offset).expect("a version");
                let mode = if n == original { "identity" } else { "double" };
                let modes = if mode == "double" { vec!["double", "fatal"] } else { vec![mode] };
                let is_of =
                    |mode: &&str| Digest::of(format!("{{\"mode\":\"{mode}\"}}").as_bytes()) == version.config;
                assert!(modes.iter().any(is_of), "offset {offset} is {mode}, and the log names {version:?}");
            }
            rows
        });
        let offsets: Vec<_> = rows.iter().map(|(offset, _)| *offset).collect();
        assert_eq!(offsets, (0..self.messages() as i64).collect::<Vec<_>>());
    }
}

/// A run.
pub struct Live<'a> {
    place: &'a Place,
    admin: Admin,
    telemetry: Arc<Telemetry>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl<'a> Live<'a> {
    /// Starts a run.
    pub fn start(place: &'a Place) -> Self {
        let file = place.configuration();
        let read = move |file: &Path| Config::read(file, []);
        let config = read(&file).unwrap();
        let source = ConfigSource { file: file.clone(), read: Arc::new(move || read(&file)) };
        let clock = Arc::new(SystemClock);
        let telemetry = Arc::new(Telemetry::new("worker-0", clock.clone()));
        let (admin, requests) = Admin::channel();
        let (stop, stopped) = oneshot::channel();
        let told = telemetry.clone();
        let thread = std::thread::spawn(move || {
            let engine = Engine::new(EngineSettings::default()).unwrap();
            let until = Until::default();
            let stopped = async {
                // A test that failed dropped the sender.
                let _ = stopped.await;
                Departure::ForGood
            };
            let run = run::run(&config, Some(source), &engine, clock, told, requests, until, stopped, |_| {});
            runtime().block_on(run).unwrap();
        });
        Self { place, admin, telemetry, stop, thread }
    }

    /// Asks the run.
    pub fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, AdminError> {
        runtime().block_on(self.admin.ask(request))
    }

    /// Sends messages and waits until they are committed.
    #[track_caller]
    pub fn feed(&self, messages: i64) {
        self.place.send(messages);
        self.wait_until_committed(self.place.messages());
    }

    /// Messages that are committed.
    pub fn committed(&self) -> u64 {
        self.telemetry.committed().totals.get("numbers").map_or(0, |counters| counters.r#in)
    }

    /// Waits until so many messages are committed.
    #[track_caller]
    pub fn wait_until_committed(&self, messages: u64) {
        self.wait(|run| run.committed() == messages);
    }

    /// Waits until the log says that the step had so many versions.
    #[track_caller]
    pub fn wait_for_versions(&self, versions: usize) {
        self.wait(|run| run.versions().len() >= versions);
    }

    /// Waits until the log desires this plugin.
    #[track_caller]
    pub fn wait_until_runs(&self, plugin: Digest) {
        self.wait(|run| run.versions().last().is_some_and(|version| version.plugin == plugin));
    }

    /// Sends messages until the log desires this plugin.
    #[track_caller]
    pub fn feed_until_runs(&self, plugin: Digest) {
        let end = Instant::now() + PATIENCE;
        while self.running() != plugin {
            assert!(Instant::now() < end, "{:?}", self.telemetry.candidates);
            self.feed(1);
        }
    }

    /// Waits until a shadow is as expected.
    #[track_caller]
    pub fn wait_for_shadow(&self, id: ShadowId, wanted: impl Fn(&ShadowStatus) -> bool) {
        self.wait(|run| wanted(&run.shadow(id)));
    }

    /// The plugin that the step runs.
    #[track_caller]
    pub fn running(&self) -> Digest {
        self.versions().last().expect("a version").plugin
    }

    /// Where a shadow stands.
    #[track_caller]
    pub fn shadow(&self, id: ShadowId) -> ShadowStatus {
        self.telemetry.shadows.lock().unwrap()[&id].clone()
    }

    fn versions(&self) -> Vec<StepVersion> {
        self.telemetry.committed().versions.get(&step()).cloned().unwrap_or_default()
    }

    /// Waits until the step has a candidate in such a state.
    #[track_caller]
    pub fn wait_for_candidate(&self, wanted: impl Fn(&CandidateState) -> bool) {
        self.wait(|run| {
            let candidates = run.telemetry.candidates.lock().unwrap();
            candidates.get(&step()).is_some_and(|candidate| wanted(&candidate.state))
        });
    }

    #[track_caller]
    fn wait(&self, until: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !until(self) {
            assert!(!self.thread.is_finished(), "the run has ended");
            let candidates = &self.telemetry.candidates;
            assert!(Instant::now() < end, "{candidates:?} {:?}", self.telemetry.committed());
            std::thread::sleep(GLANCE);
        }
    }

    /// Ends the run.
    #[track_caller]
    pub fn stop(self) {
        self.stop.send(()).expect("the run goes on");
        self.thread.join().expect("the run ends well");
    }
}

/// Threads for what is asked of the lake.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
