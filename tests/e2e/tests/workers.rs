//! Several workers of one lake on two topics of six partitions: they come, go, die, hang and come back, and
//! every message is in the tables once. Sessions outlast the tests unless one is about their end, so that
//! what moves a partition is never time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use millstream_tests::{Kafka, S3, Served, Workspace, duckdb, duckdb_over_s3};
use serde_json::{Value, json};

/// Longest wait for workers to become as expected.
const PATIENCE: Duration = Duration::from_secs(90);
/// Time between two looks.
const GLANCE: Duration = Duration::from_millis(50);

const TOPICS: [&str; 2] = ["left", "right"];
const STREAMS: &str = r#"
[streams.left]
topic = "left"
schema = { id = "int64" }

[streams.right]
topic = "right"
schema = { id = "int64" }
"#;

/// What the workers of a test have in common.
struct Crew {
    kafka: Kafka,
    workspace: Workspace,
    sent: usize,
    _folder: tempfile::TempDir,
}

impl Crew {
    /// `settings` are lines of `[source.kafka]`.
    fn new(settings: &str) -> Self {
        Self::at("url = \"lake\"", settings, Workspace::kafka)
    }

    fn at(lake: &str, settings: &str, workspace: impl FnOnce(&str) -> Workspace) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kafka = Kafka::start(folder.path());
        TOPICS.iter().for_each(|topic| kafka.topic(topic, 6));
        let workspace = workspace(&kafka.brokers);
        let brokers = &kafka.brokers;
        workspace.write(
            "millstream.toml",
            format!(
                "[lake]\n{lake}\n[source.kafka]\nbrokers = \"{brokers}\"\n{settings}\n\
                 [checkpoint]\ninterval = \"100ms\"\n[worker]\nthreads = 1\n{STREAMS}"
            ),
        );
        Self { kafka, workspace, sent: 0, _folder: folder }
    }

    fn start(&self, name: &str) -> Served {
        Served::worker(&self.workspace, name)
    }

    /// Produces messages with ids of their own to each topic, spread over its partitions.
    fn send(&mut self) {
        let lines = (self.sent..self.sent + 300).map(|id| format!("key-{id}\t{{\"id\":{id}}}\n"));
        let lines = lines.collect::<String>();
        let (kafka, lines) = (&self.kafka, lines.as_str());
        std::thread::scope(|scope| {
            for topic in TOPICS {
                scope.spawn(move || kafka.produce_keyed(topic, lines));
            }
        });
        self.sent += 300;
    }

    #[track_caller]
    fn send_and_wait(&mut self) {
        self.send();
        self.wait_until_committed();
    }

    #[track_caller]
    fn wait_until_committed(&self) {
        let end = Instant::now() + PATIENCE;
        let rows = format!("\"rows\":{}", self.sent);
        loop {
            let tables = self.workspace.millstream(&["tables", "list", "--json"]).run().stdout;
            if tables.lines().filter(|line| line.contains(&rows)).count() == TOPICS.len() {
                return;
            }
            assert!(Instant::now() < end, "not committed: {} messages a topic; {tables}", self.sent);
        }
    }

    /// Every id is in each table once.
    #[track_caller]
    fn check(&self, query: impl Fn(&[String], &str) -> Value) {
        for topic in TOPICS {
            let files = self.workspace.files_of(&format!("raw.{topic}"));
            let counts = query(
                &files,
                "select count(*), count(distinct id), count(distinct (_partition, _offset)) from t",
            );
            assert_eq!(counts, json!([[self.sent, self.sent, self.sent]]), "{topic}");
        }
    }
}

/// Numbers of the partitions that a worker reads of both topics; none while it reads different ones.
fn numbers(worker: &Served) -> Option<BTreeSet<i64>> {
    let status = worker.status();
    let of = |topic: &str| -> BTreeSet<i64> {
        let partitions = status["source"]["partitions"].as_array().into_iter().flatten();
        let partitions = partitions.filter(|at| at["topic"] == topic);
        partitions.filter_map(|at| at["partition"].as_i64()).collect()
    };
    (of("left") == of("right")).then(|| of("left"))
}

/// Waits until each worker reads so many partition numbers, of both topics, and no two the same.
#[track_caller]
fn wait_for(workers: &[&Served], expected: &[usize]) {
    let end = Instant::now() + PATIENCE;
    loop {
        let found: Option<Vec<_>> = workers.iter().map(|worker| numbers(worker)).collect();
        if let Some(found) = &found {
            let counts: Vec<_> = found.iter().map(BTreeSet::len).collect();
            let all: BTreeSet<_> = found.iter().flatten().collect();
            if counts == expected && all.len() == 6 {
                return;
            }
        }
        assert!(Instant::now() < end, "{found:?} instead of {expected:?}");
        std::thread::sleep(GLANCE);
    }
}

/// How often a worker was given partitions.
fn assignments(worker: &Served) -> Value {
    worker.status()["source"]["assignments"].clone()
}

const LASTING: &str = "properties = { \"session.timeout.ms\" = 300000, \"heartbeat.interval.ms\" = 500 }";

#[test]
fn workers_come_restart_die_and_leave() {
    let mut crew = Crew::new(LASTING);
    let first = crew.start("a");
    wait_for(&[&first], &[6]);
    crew.send_and_wait();
    let (second, third) = (crew.start("b"), crew.start("c"));
    wait_for(&[&first, &second, &third], &[2, 2, 2]);
    crew.send_and_wait();

    let before = (assignments(&first), assignments(&second));
    let held = numbers(&third);
    third.stop();
    crew.send();
    let third = crew.start("c");
    wait_for(&[&first, &second, &third], &[2, 2, 2]);
    assert_eq!(numbers(&third), held);
    crew.wait_until_committed();
    assert_eq!((assignments(&first), assignments(&second)), before, "a restart disturbs nobody");

    let held = numbers(&second);
    let before = (assignments(&first), assignments(&third));
    second.signal("KILL");
    second.finish();
    crew.send();
    let second = crew.start("b");
    wait_for(&[&first, &second, &third], &[2, 2, 2]);
    assert_eq!(numbers(&second), held);
    crew.wait_until_committed();
    assert_eq!(
        (assignments(&first), assignments(&third)),
        before,
        "nor does one that was killed and comes back"
    );

    // Interrupted, it leaves for good: nobody waits for the end of its session.
    third.signal("INT");
    assert_eq!(third.finish().code, Some(0));
    wait_for(&[&first, &second], &[3, 3]);
    crew.send_and_wait();
    first.stop();
    second.stop();
    crew.check(duckdb);
}

#[test]
fn a_worker_that_slept_through_its_session_does_no_harm() {
    let mut crew =
        Crew::new("properties = { \"session.timeout.ms\" = 6000, \"heartbeat.interval.ms\" = 500 }");
    let (first, second) = (crew.start("a"), crew.start("b"));
    wait_for(&[&first, &second], &[3, 3]);
    crew.send_and_wait();
    crew.send();
    second.signal("STOP");
    wait_for(&[&first], &[6]);
    crew.wait_until_committed();
    crew.send_and_wait();
    second.signal("CONT");
    wait_for(&[&first, &second], &[3, 3]);
    crew.send_and_wait();
    first.stop();
    second.stop();
    crew.check(duckdb);
}

#[test]
fn workers_share_by_number_under_the_newer_protocol() {
    let mut crew = Crew::new("protocol = \"consumer\"");
    let first = crew.start("a");
    wait_for(&[&first], &[6]);
    crew.send_and_wait();
    let second = crew.start("b");
    wait_for(&[&first, &second], &[3, 3]);
    crew.send_and_wait();
    second.stop();
    wait_for(&[&first], &[6]);
    crew.send_and_wait();
    first.stop();
    crew.check(duckdb);
}

#[test]
fn a_worker_whose_store_hangs_gives_its_partitions_away() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3::start(folder.path());
    let settings = format!("revoke_timeout = \"1s\"\n{LASTING}");
    let mut crew = Crew::at("url = \"s3://lake/city\"", &settings, |_| Workspace::files_to_s3(&server));
    let worker = crew.start("a");
    wait_for(&[&worker], &[6]);
    crew.send_and_wait();
    server.suspend();
    crew.send();
    // What was read is not committed, so it is there for another member of the group, which joins now.
    assert!(crew.kafka.consume_one_of_group("left", "millstream"), "the partitions were not given away");
    server.resume();
    wait_for(&[&worker], &[6]);
    crew.wait_until_committed();
    let output = worker.stop();
    // Told by whoever notices first: the membership, or the coordinator that gives the commit up.
    assert!(output.stderr.contains("not committed in time"), "{}", output.stderr);
    crew.check(|files, query| duckdb_over_s3(&server, files, query));
}

#[test]
fn of_two_workers_of_one_name_in_a_group_the_younger_one_goes_on() {
    let mut crew = Crew::new(LASTING);
    let first = crew.start("a");
    wait_for(&[&first], &[6]);
    crew.send_and_wait();
    let second = crew.start("a");
    let output = first.finish();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("has taken this lake over"), "{}", output.stderr);
    wait_for(&[&second], &[6]);
    crew.send_and_wait();
    second.stop();
    crew.check(duckdb);
}

#[test]
fn a_worker_is_not_ready_while_kafka_is_gone_and_says_once_that_it_is_back() {
    let mut crew = Crew::new(LASTING);
    let worker = crew.start("a");
    crew.send_and_wait();
    let wait_until = |ready: bool, text: &str| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (code, body) = worker.get("/readyz");
            if (code == 200) == ready && body.contains(text) {
                return;
            }
            assert!(Instant::now() < deadline, "{body}");
            std::thread::sleep(GLANCE);
        }
    };
    wait_until(true, "");
    crew.kafka.kill();
    wait_until(false, "\"the source does not answer\"");
    crew.kafka.start_again();
    wait_until(true, "");
    crew.send_and_wait();
    let output = worker.stop();
    assert_eq!(output.stderr.matches("kafka answers again").count(), 1, "{}", output.stderr);
    crew.check(duckdb);
}

#[test]
fn an_idle_worker_notices_that_another_one_has_its_name() {
    let workspace = Workspace::files();
    workspace.write("messages/vehicle_data/0.jsonl", "");
    let first = Served::worker(&workspace, "a");
    first.wait_until_committed("vehicle", 0);
    let second = Served::worker(&workspace, "a");
    let output = first.finish();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("has taken this lake over"), "{}", output.stderr);
    second.stop();
}
