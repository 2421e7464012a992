//! What every store of objects must do, and what a run does when the store does not do its part: it dies and
//! comes back, wants fewer requests, or knows the credentials no more.

use std::time::{Duration, Instant};

use millstream_tests::{Azure, Door, S3, Served, Workspace, duckdb_over_http, duckdb_over_s3, seeds};
use serde_json::{Value, json};

/// Kills of [`every_message_is_there_once_whenever_a_run_is_killed`].
const KILLS: usize = 5;

/// A real server, with what reaches it and what reads it.
enum Server {
    S3(S3),
    Azure(Azure),
}

impl Server {
    fn workspace(&self) -> Workspace {
        match self {
            Self::S3(server) => Workspace::files_to_s3(server),
            Self::Azure(server) => Workspace::files_to("az://lake/city", &server.environment()),
        }
    }

    /// The answer of a reader that is not ours, over the files of the raw table.
    fn query(&self, workspace: &Workspace, query: &str) -> Value {
        let files = workspace.files_of("raw.vehicle");
        match self {
            Self::S3(server) => duckdb_over_s3(server, &files, query),
            Self::Azure(server) => {
                let urls: Vec<_> = files.iter().map(|file| server.public_url(file)).collect();
                duckdb_over_http(&urls, query)
            }
        }
    }
}

/// Runs that are killed and started again on the store of `server`, which nothing is known of but its URL.
fn every_message_is_there_once_whenever_a_run_is_killed(server: &Server) {
    let workspace = server.workspace();
    // Small batches and short intervals, so that a kill meets every stage of the way.
    workspace.configure("threads = 2", "threads = 2\nbatch_rows = 64");
    workspace.configure("interval = \"200ms\"", "interval = \"50ms\"");
    let (mut written, mut cut_short) = (0, 0);
    for round in 0..KILLS {
        for partition in 0..2 {
            let messages = numbered(round, partition);
            workspace.append(&format!("messages/vehicle_data/{partition}.jsonl"), &messages);
            written += messages.lines().count() as u64;
        }
        let running = workspace.millstream(&["run"]).start();
        running.wait_for_line(|line| line.contains("partitions assigned"));
        // Not a synchronisation: a moment in the work that differs from round to round.
        std::thread::sleep(Duration::from_millis(10 + 40 * round as u64));
        running.signal("KILL");
        let output = running.finish();
        assert_eq!(output.code, None, "{}", output.stderr);
        cut_short += u64::from(committed(&workspace) < written);
    }
    assert!(cut_short >= 2, "only {cut_short} of {KILLS} kills met the work half done");
    workspace.catch_up();
    let query = "select count(*), count(distinct id), count(distinct (_partition, _offset)) from t";
    assert_eq!(server.query(&workspace, query), json!([[written, written, written]]));
    assert_eq!(workspace.catch_up()["streams"]["vehicle"]["in"], json!(0));
}

#[test]
fn every_message_is_there_once_on_s3() {
    let folder = tempfile::tempdir().unwrap();
    every_message_is_there_once_whenever_a_run_is_killed(&Server::S3(S3::start(folder.path())));
}

#[test]
fn every_message_is_there_once_on_azure() {
    let folder = tempfile::tempdir().unwrap();
    every_message_is_there_once_whenever_a_run_is_killed(&Server::Azure(Azure::start(folder.path())));
}

#[test]
fn what_is_wrong_with_azure_is_said_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let server = Azure::start(folder.path());
    let emulator = ("AZURE_STORAGE_USE_EMULATOR", "true");
    let endpoint = ("AZURITE_BLOB_STORAGE_URL", server.endpoint.as_str());
    let check = |url: &str, environment: &[(&str, &str)], words: &[&str]| {
        let output = Workspace::files_to(url, environment).millstream(&["run", "--until-caught-up"]).run();
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        for word in words {
            assert!(output.stderr.contains(word), "`{word}` is not in:\n{}", output.stderr);
        }
        let longest = output.stderr.lines().map(str::len).max();
        assert!(longest < Some(600), "an answer of the server is dumped as it is:\n{}", output.stderr);
    };
    let absent = ["error: the lake `az://absent/city`", "ContainerNotFound", "create it first"];
    check("az://absent/city", &[emulator, endpoint], &absent);
    let wrong_key = ("AZURE_STORAGE_ACCOUNT_KEY", "d3Jvbmc=");
    let wrong = ["permission denied", "AuthorizationFailure", "grant access to read and write"];
    check("az://lake/city", &[emulator, endpoint, wrong_key], &wrong);
    check(
        "az://lake/city",
        &[],
        &["error: the lake `az://lake/city`", "Account must be specified", "AZURE_*"],
    );
}

/// The server dies in the middle and comes back: that is seen while it lasts, and nothing is lost.
#[test]
fn an_outage_is_seen_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3::start(folder.path());
    let workspace = Workspace::files_to_s3(&server);
    let (first, second) = (numbered(0, 0), numbered(1, 0));
    let (some, all) = (first.lines().count(), first.lines().count() + second.lines().count());
    workspace.append("messages/vehicle_data/0.jsonl", &first);
    let served = Served::start(&workspace);
    served.wait_until_committed("vehicle", some);
    server.kill();
    workspace.append("messages/vehicle_data/0.jsonl", &second);
    let status =
        wait_for(&served, |store| store["silent_seconds"].is_number() && store["last_failure"].is_string());
    assert!(status["requests"]["put"]["unavailable"].as_u64() > Some(0), "{status:#}");
    let restarted = S3::start(folder.path());
    assert_eq!(restarted.endpoint, server.endpoint);
    served.wait_until_committed("vehicle", all);
    wait_for(&served, |store| store["silent_seconds"].is_null());
    assert!(served.metric("millstream_store_retries_total") > Some(0.0));
    let sample = |outcome: &str| {
        served.metric(&format!("millstream_store_requests_total{{operation=\"put\",outcome=\"{outcome}\"}}"))
    };
    assert!(sample("ok") > Some(0.0) && sample("unavailable") > Some(0.0));
    assert_eq!(sample("throttled"), Some(0.0));
    assert!(served.metric("millstream_store_request_seconds_count{operation=\"put\"}") > Some(0.0));
    served.stop();
    let counts = Server::S3(restarted).query(&workspace, "select count(*), count(distinct id) from t");
    assert_eq!(counts, json!([[all, all]]));
}

#[test]
fn a_store_that_wants_fewer_requests_is_seen_and_waited_for() {
    let (_folder, server, door) = behind_a_door();
    let workspace = workspace_at(&door);
    let (first, second) = (numbered(0, 0), numbered(1, 0));
    let (some, all) = (first.lines().count(), first.lines().count() + second.lines().count());
    workspace.append("messages/vehicle_data/0.jsonl", &first);
    let served = Served::start(&workspace);
    served.wait_until_committed("vehicle", some);
    door.close(Door::SLOW_DOWN);
    workspace.append("messages/vehicle_data/0.jsonl", &second);
    let status = wait_for(&served, |store| store["requests"]["put"]["throttled"].as_u64() > Some(1));
    assert_eq!(status["last_failure"], json!("SlowDown: Please reduce your request rate"), "{status:#}");
    door.open();
    served.wait_until_committed("vehicle", all);
    let throttled = "millstream_store_requests_total{operation=\"put\",outcome=\"throttled\"}";
    assert!(served.metric(throttled) > Some(1.0));
    assert!(served.metric("millstream_store_retries_total") > Some(1.0));
    served.stop();
    let counts = Server::S3(server).query(&workspace, "select count(*), count(distinct id) from t");
    assert_eq!(counts, json!([[all, all]]));
}

/// Runs over half of the messages, lets `expire` make the credentials worthless, and adds the other half:
/// the run ends with a message that names the variables; then `renew` makes a run catch up.
fn credentials_end(
    server: S3,
    workspace: &Workspace,
    expire: impl FnOnce(),
    words: &[&str],
    renew: impl FnOnce() -> Vec<(&'static str, &'static str)>,
) {
    let (first, second) = (numbered(0, 0), numbered(1, 0));
    let all = first.lines().count() + second.lines().count();
    workspace.append("messages/vehicle_data/0.jsonl", &first);
    let running = workspace.millstream(&["run"]).start();
    running.wait_for_line(|line| line.contains("partitions assigned"));
    expire();
    workspace.append("messages/vehicle_data/0.jsonl", &second);
    let output = running.finish();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let message = output.stderr.lines().find(|line| line.starts_with("error: ")).expect("an error");
    for word in words
        .iter()
        .chain(&["the lake `s3://lake/city` refuses the credentials", "nothing that was committed is lost"])
    {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
    assert!(message.len() < 600, "{message}");
    let again = workspace.millstream(&["run", "--until-caught-up"]);
    renew().into_iter().fold(again, |command, (name, value)| command.env(name, value)).succeed();
    let environment = server.environment();
    let workspace_of_owner = Workspace::files_to("s3://lake/city", &environment);
    let counts = Server::S3(server).query(&workspace_of_owner, "select count(*), count(distinct id) from t");
    assert_eq!(counts, json!([[all, all]]));
}

#[test]
fn credentials_that_expire_end_the_run_and_lose_nothing() {
    let (_folder, server, door) = behind_a_door();
    let workspace = workspace_at(&door);
    let words = ["ExpiredToken: The provided token has expired", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"];
    let renew = || {
        door.open();
        Vec::new()
    };
    credentials_end(server, &workspace, || door.close(Door::EXPIRED), &words, renew);
}

#[test]
fn keys_that_are_revoked_end_the_run_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3::start(folder.path());
    server.admit("guest", "guest-secret");
    let mut environment = server.environment();
    environment[3].1 = "guest";
    environment[4].1 = "guest-secret";
    let workspace = Workspace::files_to("s3://lake/city", &environment);
    let same = S3::start(folder.path());
    let (access_key, secret_key) = S3::KEYS;
    let renew = || vec![("AWS_ACCESS_KEY_ID", access_key), ("AWS_SECRET_ACCESS_KEY", secret_key)];
    let words = ["InvalidAccessKeyId", "AWS_SECRET_ACCESS_KEY"];
    credentials_end(same, &workspace, || server.revoke("guest"), &words, renew);
}

fn behind_a_door() -> (tempfile::TempDir, S3, Door) {
    let folder = tempfile::tempdir().unwrap();
    let server = S3::start(folder.path());
    let door = Door::before(&server.endpoint);
    (folder, server, door)
}

fn workspace_at(door: &Door) -> Workspace {
    let (access_key, secret_key) = S3::KEYS;
    let environment = [
        ("AWS_ENDPOINT_URL", door.endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", access_key),
        ("AWS_SECRET_ACCESS_KEY", secret_key),
    ];
    Workspace::files_to("s3://lake/city", &environment)
}

/// Waits until what the run says of its store is as wanted; gives that.
#[track_caller]
fn wait_for(served: &Served, wanted: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let store = served.status()["store"].clone();
        if wanted(&store) {
            return store;
        }
        assert!(Instant::now() < end, "the store is not as expected: {store:#}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Rows of the raw table, which has one for each message.
fn committed(workspace: &Workspace) -> u64 {
    let tables = workspace.millstream(&["tables", "list", "--json"]).succeed();
    let tables = tables.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    tables.filter(|table| table["table"] == "raw.vehicle").map(|table| table["rows"].as_u64().unwrap()).sum()
}

/// The recorded messages several times over, each with an id of its own.
fn numbered(round: usize, partition: usize) -> String {
    let recorded = seeds("us-route", "vehicle_data") + &seeds("misspelt", "vehicle_data");
    let mut all = String::new();
    for copy in 0..20 {
        for (line, message) in recorded.lines().enumerate() {
            let mut message: Value = serde_json::from_str(message).unwrap();
            message["id"] = format!("{round}-{partition}-{copy}-{line}").into();
            all.push_str(&format!("{message}\n"));
        }
    }
    all
}
