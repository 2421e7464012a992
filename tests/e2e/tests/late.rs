//! Late messages: which ones are late is what an independent look at the raw table says, whatever the batches
//! and restarts; they are where the configuration wants them; and a watermark waits for no silent partition
//! and follows no clock that is wrong.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use millstream_tests::{Command, Kafka, Served, Workspace, duckdb};
use serde_json::{Value, json};

/// First event time, in seconds since 1970.
const START: i64 = 1_767_254_400;
const PARTITIONS: i64 = 2;
/// Longest wait for a run to become as expected.
const PATIENCE: Duration = Duration::from_secs(60);

/// Partitions and offsets of messages.
type Messages = BTreeSet<(i64, i64)>;

/// A stream `s` of numbers with an event time and the guest `misbehave`; `late` is more of its watermark's table.
fn workspace(source: &str, more: &str, late: &str) -> Workspace {
    let workspace = Workspace::files();
    workspace.install("misbehave");
    workspace.write(
        "millstream.toml",
        format!(
            "[lake]\nurl = \"lake\"\n{source}\n[checkpoint]\ninterval = \"50ms\"\n{more}\n[streams.s]\n\
             topic = \"numbers\"\nevent_time = \"at\"\nwatermark = {{ delay = \"10s\", {late} }}\n\
             [streams.s.schema]\nn = {{ type = \"int64\", required = true }}\n\
             at = {{ type = \"timestamp\", epoch = \"s\" }}\n"
        ),
    );
    workspace
}

/// As [`workspace`], over files, with batches of `rows` messages and `misbehave` in `mode`.
fn over_files(rows: u64, late: &str, mode: &str) -> Workspace {
    let workspace = workspace(
        "[source.files]\ndir = \"messages\"\npoll_interval = \"20ms\"",
        &format!("[worker]\nthreads = 2\nbatch_rows = {rows}"),
        late,
    );
    let step = format!("[[streams.s.steps]]\nplugin = \"misbehave\"\nconfig = {{ mode = \"{mode}\" }}\n");
    workspace.append("millstream.toml", &step);
    workspace
}

/// Messages out of order: some without an event time, some that do not decode, some only in part.
fn append(workspace: &Workspace, from: i64, messages: i64) {
    for partition in 0..PARTITIONS {
        let lines = (from..from + messages).map(|number| {
            let disorder = (number * 7919 + partition * 104_729) % 23;
            let at = START + number - if disorder > 15 { disorder } else { disorder / 3 };
            match number % 19 {
                0 => "{\n".to_owned(),
                1 => format!("{{\"n\": {number}}}\n"),
                2 => format!("{{\"n\": \"many\", \"at\": {at}}}\n"),
                _ => format!("{{\"n\": {}, \"at\": {at}}}\n", number % 5 - 1),
            }
        });
        workspace.append(&format!("messages/numbers/{partition}.jsonl"), &lines.collect::<String>());
    }
}

#[track_caller]
fn messages(workspace: &Workspace, table: &str, query: &str) -> Messages {
    let files = workspace.files_of(table);
    if files.is_empty() {
        return Messages::new();
    }
    let rows = duckdb(&files, &format!("select distinct _partition, _offset from {query}"));
    let rows = rows.as_array().expect("rows").iter();
    rows.map(|row| (row[0].as_i64().expect("a partition"), row[1].as_i64().expect("an offset"))).collect()
}

/// The late messages by the rule, as DuckDB applies it to the raw table; and those of them that decoded.
#[track_caller]
fn late_by_the_rule(workspace: &Workspace) -> (Messages, Messages) {
    let late = "(select *, max(_event_time) over (partition by _partition order by _offset rows between \
                unbounded preceding and 1 preceding) - interval 10 seconds as watermark from t) \
                where _event_time < watermark";
    let decoded = format!("{late} and _error is null");
    (messages(workspace, "raw.s", late), messages(workspace, "raw.s", &decoded))
}

/// Reads all in three runs; gives the workspace, the rule's late messages and what the log counts.
fn read_in_three_runs(rows: u64, late: &str, mode: &str) -> (Workspace, Messages, Messages) {
    let workspace = over_files(rows, late, mode);
    let mut counted = 0;
    for (from, messages) in [(0, 100), (100, 3), (103, 97)] {
        append(&workspace, from, messages);
        let summary = workspace.catch_up();
        let counters = &summary["streams"]["s"];
        let sum = |what: &str| {
            let counts = counters[what].as_object().expect("counts by name").values();
            counts.map(|count| count.as_u64().expect("a count")).sum::<u64>()
        };
        let out = counters["out"].as_u64().expect("a count");
        assert_eq!(counters["in"], json!(out + sum("dropped") + sum("dead")), "{counters}");
        counted += counters["late"].as_u64().expect("a count");
    }
    let (late, decoded) = late_by_the_rule(&workspace);
    assert!(late.len() > decoded.len() && decoded.len() > 20, "{late:?}");
    assert_eq!(counted, late.len() as u64);
    (workspace, late, decoded)
}

const SOUND: &str = "t where n > 0 and _error is null";

#[test]
fn late_rows_are_kept() {
    let (workspace, ..) = read_in_three_runs(8192, "late = \"keep\"", "reject");
    assert_eq!(messages(&workspace, "curated.s", "t"), messages(&workspace, "raw.s", SOUND));
    assert!(!workspace.path("lake/late").exists());
}

#[test]
fn late_rows_are_flagged() {
    let (workspace, late, _) = read_in_three_runs(7, "late = \"flag\"", "reject");
    let sound = messages(&workspace, "raw.s", SOUND);
    assert_eq!(messages(&workspace, "raw.s", "t where _late"), late);
    assert_eq!(messages(&workspace, "curated.s", "t"), sound);
    assert_eq!(messages(&workspace, "curated.s", "t where _late"), &late & &sound);
    // The column can be left out again, and come back.
    workspace.configure("\"flag\"", "\"keep\"");
    append(&workspace, 200, 20);
    workspace.catch_up();
    workspace.configure("\"keep\"", "\"flag\"");
    append(&workspace, 220, 20);
    workspace.catch_up();
    assert!(!messages(&workspace, "curated.s", "t where _late is null").is_empty());
    // In a replay none is late, whatever its raw row says, or does not say.
    replay(&workspace, &["--source", "raw"]);
    assert_eq!(messages(&workspace, "curated.s", "t"), messages(&workspace, "raw.s", SOUND));
    assert!(messages(&workspace, "curated.s", "t where _late is null or _late").is_empty());
}

/// Replays all messages.
fn replay(workspace: &Workspace, args: &[&str]) {
    let all = ["replay", "--stream", "s", "--offsets", "0:0..", "--offsets", "1:0..", "--yes"];
    workspace.millstream(&[&all[..], args].concat()).succeed();
}

/// Whoever loses a race begins again at the watermark of the log.
#[test]
fn two_workers_find_the_same_messages_late() {
    let workspace = over_files(5, "late = \"flag\"", "reject");
    let runs = ["first", "second"].map(|name| {
        let run = workspace.millstream(&["run"]).env("MILLSTREAM_WORKER__NAME", name).start();
        run.wait_for_line(|line| line.contains("partitions assigned"));
        run
    });
    for from in [0, 40, 80, 120, 160] {
        append(&workspace, from, 40);
        wait_for_rows(&workspace, PARTITIONS * (from + 40));
    }
    for run in runs {
        run.signal("TERM");
        let output = run.finish();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
    }
    let (late, _) = late_by_the_rule(&workspace);
    assert_eq!(messages(&workspace, "raw.s", "t where _late"), late);
    assert_eq!(messages(&workspace, "curated.s", "t"), messages(&workspace, "raw.s", SOUND));
}

/// Waits until the raw table has so many rows.
#[track_caller]
fn wait_for_rows(workspace: &Workspace, rows: i64) {
    let end = Instant::now() + PATIENCE;
    let wanted = format!("\"rows\":{rows}");
    let has_rows = |line: &str| line.contains("\"raw.s\"") && line.contains(&wanted);
    while !workspace.millstream(&["tables", "list", "--json"]).succeed().lines().any(has_rows) {
        assert!(Instant::now() < end, "{rows} rows did not come");
    }
}

#[test]
fn late_rows_go_to_a_table_behind_the_steps() {
    for (rows, mode) in [(64, "reject"), (5, "explode")] {
        let (workspace, late, _) = read_in_three_runs(rows, "late = \"table\"", mode);
        let sound = messages(&workspace, "raw.s", SOUND);
        assert_eq!(messages(&workspace, "late.s", "t"), &late & &sound, "{mode}");
        assert_eq!(messages(&workspace, "curated.s", "t"), &sound - &late, "{mode}");
        let columns = |table| duckdb(&workspace.files_of(table), "select column_name from (describe t)");
        assert_eq!(columns("late.s"), columns("curated.s"));
        let unique = "select count(*) = count(distinct (_partition, _offset, _ordinal)) from t";
        assert_eq!(duckdb(&workspace.files_of("late.s"), unique), json!([[true]]), "{mode}");
        // A replay brings them where the others are, once.
        replay(&workspace, &[]);
        assert_eq!(messages(&workspace, "curated.s", "t"), sound, "{mode}");
        assert_eq!(duckdb(&workspace.files_of("curated.s"), unique), json!([[true]]), "{mode}");
        assert_eq!(workspace.files_of("late.s"), [] as [&str; 0], "{mode}");
    }
}

#[test]
fn late_messages_become_dead_letters() {
    for (rows, mode) in [(1, "reject"), (8192, "explode")] {
        let (workspace, late, decoded) = read_in_three_runs(rows, "late = \"dead_letters\"", mode);
        let letters = "t where step = 'watermark' and cause = 'late' and reason = \
                       'late: event time less than a minute before the watermark'";
        assert_eq!(messages(&workspace, "dead_letters", letters), decoded, "{mode}");
        let sound = messages(&workspace, "raw.s", SOUND);
        assert_eq!(messages(&workspace, "curated.s", "t"), &sound - &late, "{mode}");
        let values = "select count(*) from t where step = 'watermark' and decode(_value) like '%\"at\": 17%'";
        assert_eq!(duckdb(&workspace.files_of("dead_letters"), values), json!([[decoded.len()]]));
        assert_eq!(messages(&workspace, "raw.s", "t").len() as i64, PARTITIONS * 200);
        workspace.millstream(&["dead-letters", "redrive", "--step", "watermark", "--yes"]).succeed();
        assert_eq!(messages(&workspace, "curated.s", "t"), sound, "{mode}");
        assert_eq!(messages(&workspace, "dead_letters", "t where step = 'watermark'"), Messages::new());
    }
}

#[test]
fn a_table_of_late_rows_is_for_rows_behind_steps() {
    let workspace = over_files(8192, "late = \"table\"", "reject");
    workspace.configure("[[streams.s.steps]]\nplugin = \"misbehave\"\nconfig = { mode = \"reject\" }\n", "");
    let output = workspace.millstream(&["validate"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    for words in ["millstream.toml:", "`streams.s.watermark.late`", "\"flag\""] {
        assert!(output.stderr.contains(words), "`{words}` is not in: {}", output.stderr);
    }
}

/// The simulator says how many messages it held back for one to ten minutes.
#[test]
fn what_the_simulator_sends_late_is_late() {
    let workspace = Workspace::city_files();
    for stream in ["vehicle", "gps", "traffic", "weather"] {
        let topic = format!("topic = \"{stream}_data\"");
        workspace.configure(&topic, &format!("{topic}\nwatermark = {{ delay = \"30s\", late = \"flag\" }}"));
    }
    let out = workspace.path("messages");
    let args = ["--events", "4000", "--as-fast-as-possible", "--json", "--seed", "3", "--faults", "off"];
    let sent = Command::simulator(
        args.iter().chain(&["--fault", "late=0.02", "--out"]).chain([&out.to_str().expect("a UTF-8 path")]),
    );
    let sent: Value = serde_json::from_str(&sent.succeed()).expect("one JSON object");
    workspace.catch_up();
    for stream in ["vehicle", "gps", "traffic", "weather"] {
        let topics = sent["topics"].as_array().expect("a list");
        let topic = topics.iter().find(|topic| topic["topic"] == format!("{stream}_data")).expect("a topic");
        let late = topic["faults"]["late"].as_u64().expect("some were late");
        assert!(late > 10, "{stream}: {late}");
        for table in ["raw", "curated"] {
            let files = workspace.files_of(&format!("{table}.{stream}"));
            let flagged = duckdb(&files, "select count(*) from t where _late");
            assert_eq!(flagged, json!([[late]]), "{table}.{stream}");
        }
    }
}

/// Waits until the status of the stream is as wanted.
#[track_caller]
fn wait(served: &Served, what: &str, wanted: impl Fn(&Value) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !wanted(&served.status()["streams"][0]) {
        assert!(Instant::now() < end, "{what} did not come: {:#}", served.status());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_watermark_waits_for_no_silent_partition_and_follows_no_wrong_clock() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    kafka.topic("numbers", PARTITIONS as u32);
    let source = format!("[source.kafka]\nbrokers = \"{}\"", kafka.brokers);
    let workspace = workspace(&source, "", "idle = \"400ms\", late = \"flag\"");
    let produce = |messages: &[(&str, i64)]| {
        let line = |(key, at): &(&str, i64)| format!("{key}\t{{\"n\":1,\"at\":{at}}}\n");
        kafka.produce_keyed("numbers", &messages.iter().map(line).collect::<String>());
    };
    let keys: Vec<_> = (0..8).map(|number| format!("key-{number}")).collect();
    produce(&keys.iter().map(|key| (key.as_str(), START)).collect::<Vec<_>>());
    let served = Served::start(&workspace);
    served.wait_until_committed("s", keys.len());
    let of_partition = "select decode(max(_key)) from t group by _partition order by _partition";
    let of_partition = duckdb(&workspace.files_of("raw.s"), of_partition);
    let [busy, quiet] =
        [0, 1].map(|partition| of_partition[partition][0].as_str().expect("a key").to_owned());

    // The quiet partition is at START; the other one leaves it behind, once it is idle.
    produce(&[(&busy, START + 3600)]);
    let ahead = json!((START + 3590) as f64);
    wait(&served, "the watermark of the busy partition", |s| s["watermark_seconds"] == ahead);
    wait(&served, "silence", |s| s["idle_partitions"] == json!(PARTITIONS));
    // It wakes, and what it says is on time there; the stream's watermark stays.
    produce(&[(&quiet, START + 5)]);
    served.wait_until_committed("s", 10);
    wait(&served, "the watermark that was", |s| s["watermark_seconds"] == ahead);
    // A clock in the year 2100, then the time of day.
    produce(&[(&busy, 4_102_444_800), (&busy, START + 3595), (&busy, START + 3000)]);
    let status = served.wait_until_committed("s", 13);
    assert_eq!(status["streams"][0]["committed"]["ahead"], json!(1), "{status:#}");
    let label = "{stream=\"s\"}";
    assert_eq!(served.metric(&format!("millstream_watermark_seconds{label}")), Some((START + 3590) as f64));
    assert_eq!(served.metric(&format!("millstream_committed_late_messages_total{label}")), Some(1.0));
    let frame = Command::millstream(["top", "--once", "--url", &served.address]).succeed();
    assert!(frame.contains("watermark ") && frame.contains(" 1 late"), "{frame}");
    served.stop();

    // The watermark is that of the log.
    produce(&[(&busy, START + 3589)]);
    workspace.catch_up();
    let late = "select epoch(_event_time)::bigint from t where _late order by _event_time";
    let late = duckdb(&workspace.files_of("raw.s"), late);
    assert_eq!(late, json!([[START + 3000], [START + 3589]]));
    let log = workspace.millstream(&["log", "show"]).succeed();
    assert!(
        log.contains("Z idle") && log.contains("watermark numbers/0 2026-01-01T08:59:50.000000Z"),
        "{log}"
    );
    check_log(&workspace);
}

/// Watermarks never go back, and an idle partition is told of once before it wakes.
fn check_log(workspace: &Workspace) {
    let log = workspace.millstream(&["log", "show", "--json"]).succeed();
    let mut marks = std::collections::BTreeMap::new();
    let mut silent = 0;
    for entry in log.lines().map(|line| serde_json::from_str::<Value>(line).expect("an entry")) {
        let data = &entry["body"]["data"];
        let read = |partition: &Value| {
            data["ranges"].as_array().into_iter().flatten().any(|range| range["partition"] == *partition)
        };
        for mark in data["watermarks"].as_array().into_iter().flatten() {
            let partition = &mark["partition"];
            let (micros, idle) = (mark["micros"].as_i64().expect("a time"), mark["idle"] == json!(true));
            let before = marks.insert(partition.to_string(), (micros, idle));
            if let Some((last, was_idle)) = before {
                assert!(last <= micros, "{entry}");
                assert!(read(partition) || (idle && !was_idle), "nothing new: {entry}");
            }
            silent += usize::from(!read(partition));
        }
    }
    assert!((2..20).contains(&silent), "{silent} times: {log}");
}
