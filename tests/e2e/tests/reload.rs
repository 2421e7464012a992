//! Streams that change while they run: what is put into the plugin folder or written into the configuration
//! takes over, on every worker, from an entry of the log on; what cannot run leaves all as it is.

use std::path::Path;
use std::time::{Duration, Instant};

use millstream_tests::{Kafka, Served, Workspace, duckdb, seeds};
use serde_json::{Value, json};

/// Longest wait for a run to do as expected.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two looks.
const GLANCE: Duration = Duration::from_millis(50);

/// The plugin of the example with a digest of its own: a custom section of this name is added.
fn version(name: char) -> Vec<u8> {
    let plugin = std::fs::read(millstream_guests::wasm("cleanse-vehicle")).unwrap();
    [plugin.as_slice(), &[0, 2, 1, name as u8]].concat()
}

/// Feeds a run and looks at what it did.
struct Test {
    workspace: Workspace,
    messages: Vec<String>,
    fed: usize,
}

/// Number of the entry, its cause, and the steps with their plugins.
type Change = (u64, String, Vec<(String, String)>);

impl Test {
    fn new() -> Self {
        let workspace = Workspace::files();
        workspace.write("plugins/cleanse-vehicle.wasm", version('a'));
        let messages = seeds("us-route", "vehicle_data").lines().map(str::to_owned).collect();
        Self { workspace, messages, fed: 0 }
    }

    /// Appends ten messages and waits until they are committed.
    #[track_caller]
    fn feed(&mut self, run: &Served) {
        self.append();
        run.wait_until_committed("vehicle", self.fed);
    }

    fn append(&mut self) {
        let lines = self.messages[self.fed..self.fed + 10].join("\n") + "\n";
        self.workspace.append("messages/vehicle_data/0.jsonl", &lines);
        self.fed += 10;
    }

    /// Puts a file into the plugin folder as careful people do: by renaming it.
    fn drop_in(&self, bytes: &[u8]) {
        self.workspace.write("plugins/cleanse-vehicle.wasm.part", bytes);
        let folder = self.workspace.path("plugins");
        std::fs::rename(folder.join("cleanse-vehicle.wasm.part"), folder.join("cleanse-vehicle.wasm"))
            .unwrap();
    }

    /// Entries of the log that say what plugins run: number, cause and the digest and configuration of each step.
    fn changes(&self) -> Vec<Change> {
        let log = self.workspace.millstream(&["log", "show", "--json"]).succeed();
        let entries = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let change = |entry: Value| {
            let plugins = find(&entry, "plugins").filter(|plugins| plugins.get("desired").is_some())?.clone();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let steps = plugins["desired"].as_array()?.iter();
            let steps = steps.map(|step| (text(&step["plugin"]), text(&step["config"]))).collect();
            Some((find(&entry, "sequence")?.as_u64()?, text(&plugins["change"]["cause"]), steps))
        };
        entries.filter_map(change).collect()
    }

    /// Waits until the log says that the plugins changed so often since the lake began; gives the last cause.
    #[track_caller]
    fn wait_for_change(&self, changes: usize) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.changes();
            if found.len() >= changes {
                assert_eq!(found.len(), changes, "{found:?}");
                return found[changes - 1].1.clone();
            }
            assert!(Instant::now() < end, "the plugins did not change: {found:?}");
            std::thread::sleep(GLANCE);
        }
    }

    /// Waits until the log says that the step runs this plugin.
    #[track_caller]
    fn wait_for_plugin(&self, digest: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.changes();
            if found.last().is_some_and(|(_, _, steps)| steps[0].0 == digest) {
                return;
            }
            assert!(Instant::now() < end, "{digest} does not run: {found:?}");
            std::thread::sleep(GLANCE);
        }
    }

    /// Every message is in the table once.
    #[track_caller]
    fn check_rows(&self) {
        let files = self.workspace.files_of("curated.vehicle");
        let rows = duckdb(&files, "SELECT count(*), count(DISTINCT _offset) FROM t");
        assert_eq!(rows, json!([[self.fed, self.fed]]));
    }
}

fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object.get(key).or_else(|| object.values().find_map(|value| find(value, key)))
}

fn digest(workspace: &Workspace, path: &str) -> String {
    let output = std::process::Command::new("sha256sum").arg(workspace.path(path)).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

/// Waits until a sample of the metrics has a value of at least this.
#[track_caller]
fn wait_for_metric(run: &Served, sample: &str, value: f64) {
    let end = Instant::now() + PATIENCE;
    while run.metric(sample).unwrap_or_default() < value {
        assert!(Instant::now() < end, "{sample} did not become {value}");
        std::thread::sleep(GLANCE);
    }
}

const REFUSALS: &str = "millstream_plugin_refusals_total{stream=\"vehicle\",step=\"cleanse\"}";

#[test]
fn a_file_that_is_dropped_in_takes_over_at_an_entry() {
    let mut test = Test::new();
    let run = Served::start(&test.workspace);
    test.feed(&run);
    test.drop_in(&version('b'));
    assert_eq!(test.wait_for_change(2), "dropped_in");
    test.feed(&run);
    // Written in place and in pieces, as a compiler does; several times, of which the last counts. Those before it
    // are taken only if the machine is so slow that they lie there unchanged for long.
    for name in ['c', 'd', 'e'] {
        let bytes = version(name);
        test.workspace.write("plugins/cleanse-vehicle.wasm", &bytes[..bytes.len() / 2]);
        test.workspace.write("plugins/cleanse-vehicle.wasm", &bytes);
    }
    test.wait_for_plugin(&digest(&test.workspace, "plugins/cleanse-vehicle.wasm"));
    test.feed(&run);
    run.stop();
    let changes = test.changes();
    assert!(changes[1..].iter().all(|(_, cause, _)| cause == "dropped_in"), "{changes:?}");
    assert!((3..=5).contains(&changes.len()), "{changes:?}");
    test.check_rows();
}

#[test]
fn what_cannot_run_leaves_the_running_version_alone() {
    let mut test = Test::new();
    let run = Served::start(&test.workspace);
    test.feed(&run);
    test.drop_in(b"\0asm and nothing more");
    wait_for_metric(&run, REFUSALS, 1.0);
    test.feed(&run);
    std::fs::remove_file(test.workspace.path("plugins/cleanse-vehicle.wasm")).unwrap();
    test.feed(&run);
    // The same bytes again are no change; others are.
    test.drop_in(&version('a'));
    test.feed(&run);
    test.drop_in(&version('b'));
    assert_eq!(test.wait_for_change(2), "dropped_in");
    let output = run.stop();
    assert!(output.stderr.contains("is refused; the running one stays"), "{}", output.stderr);
    test.check_rows();
}

#[test]
fn an_edited_configuration_takes_over_and_a_broken_one_does_not() {
    let mut test = Test::new();
    let run = Served::start(&test.workspace);
    test.feed(&run);
    let zone = |name: &str| format!("config = {{ zone = \"{name}\" }}");
    // The policy first: whether they are read as one change or as two, both hold once the log says the second.
    test.workspace.configure("[[streams.vehicle.steps]]", "[[streams.vehicle.steps]]\non_drop_in = \"hold\"");
    test.workspace.configure(&zone("Europe/London"), &zone("America/New_York"));
    assert_eq!(test.wait_for_change(2), "configured");
    test.feed(&run);
    test.workspace.configure("on_drop_in = \"hold\"", "on_drop_in = \"perhaps\"");
    wait_for_metric(&run, "millstream_configuration_refusals_total", 1.0);
    test.feed(&run);
    // The policy of the good one holds.
    test.drop_in(&version('b'));
    let held = "millstream_plugin_candidates{stream=\"vehicle\",step=\"cleanse\",state=\"held\"}";
    wait_for_metric(&run, held, 1.0);
    test.feed(&run);
    assert_eq!(test.changes().len(), 2);
    test.workspace.configure("interval = \"200ms\"", "interval = \"300ms\"");
    test.workspace.configure("on_drop_in = \"perhaps\"", "on_drop_in = \"swap\"");
    assert_eq!(test.wait_for_change(3), "dropped_in");
    let output = run.stop();
    assert!(output.stderr.contains("checkpoint.interval"), "{}", output.stderr);
    for key in ["streams.vehicle.steps.cleanse.config", "streams.vehicle.steps.cleanse.on_drop_in"] {
        assert!(output.stderr.contains(key), "an accepted edit is named by its key: {}", output.stderr);
    }
    test.check_rows();
}

/// A second worker whose folder holds another version runs what the log desires, from the lake.
#[test]
fn workers_with_different_folders_follow_the_log() {
    let mut test = Test::new();
    let first = Served::worker(&test.workspace, "first");
    test.feed(&first);
    let other = test.workspace.path("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("cleanse-vehicle.wasm"), version('a')).unwrap();
    let second = Served::worker_with(
        &test.workspace,
        "second",
        &[("MILLSTREAM_PLUGINS__DIR", other.to_str().unwrap())],
    );
    test.feed(&first);
    test.drop_in(&version('b'));
    assert_eq!(test.wait_for_change(2), "dropped_in");
    wait_for_metric(&second, "millstream_swaps_total{cause=\"followed\"}", 1.0);
    test.feed(&first);
    // Its own folder is a wish as good as any.
    std::fs::write(other.join("cleanse-vehicle.wasm"), version('c')).unwrap();
    assert_eq!(test.wait_for_change(3), "dropped_in");
    wait_for_metric(&first, "millstream_swaps_total{cause=\"followed\"}", 1.0);
    test.feed(&second);
    second.stop();
    first.stop();
    test.check_rows();
    // What was replaced is not taken at the next start, wherever it lies.
    let copy = |to: &Path| std::fs::write(to, version('a')).unwrap();
    copy(&test.workspace.path("plugins/cleanse-vehicle.wasm"));
    let run = Served::start(&test.workspace);
    test.feed(&run);
    run.stop();
    assert_eq!(test.changes().len(), 3);
    test.check_rows();
}

/// Swaps while partitions change hands: each partition is handed over under the version that its new owner finds
/// in the log.
#[test]
fn a_swap_in_the_middle_of_a_rebalance_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    kafka.topic("vehicle_data", 6);
    let workspace = Workspace::kafka(&kafka.brokers);
    workspace.write("plugins/cleanse-vehicle.wasm", version('a'));
    let messages: Vec<_> = seeds("us-route", "vehicle_data").lines().map(str::to_owned).collect();
    let test = Test { workspace, messages, fed: 0 };
    let mut fed = 0;
    let mut send = || {
        let keyed = test.messages[fed..fed + 50].iter().map(|line| format!("{line}\t{line}\n"));
        kafka.produce_keyed("vehicle_data", &keyed.collect::<String>());
        fed += 50;
        fed
    };
    let first = Served::worker(&test.workspace, "first");
    first.wait_until_committed("vehicle", send());
    let second = Served::worker(&test.workspace, "second");
    for (number, name) in ['b', 'c', 'd'].into_iter().enumerate() {
        test.drop_in(&version(name));
        send();
        test.wait_for_change(number + 2);
    }
    second.wait_until_committed("vehicle", send());
    second.stop();
    test.drop_in(&version('e'));
    test.wait_for_change(5);
    first.wait_until_committed("vehicle", send());
    first.stop();
    let test = Test { fed, ..test };
    let files = test.workspace.files_of("curated.vehicle");
    let rows = duckdb(&files, "SELECT count(*), count(DISTINCT (_partition, _offset)) FROM t");
    assert_eq!(rows, json!([[test.fed, test.fed]]));
}
