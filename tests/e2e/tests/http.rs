//! A step that asks a server of this machine: with credentials that it does not see, without a grant, and
//! without a server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use millstream_tests::{Served, Workspace, duckdb};
use serde_json::json;
use tokio::net::TcpSocket;

const TOKEN: &str = "wheat-and-barley";

/// A server that knows what to say of each number, to whom has the token. It goes with the test's process.
struct Numbers {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Numbers {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, heads) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::default()));
        let seen = Arc::clone(&heads);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let seen = Arc::clone(&seen);
                // A client that goes away is none of its concern.
                thread::spawn(move || stream.and_then(|stream| answer(stream, &seen)));
            }
        });
        Self { port, heads }
    }
}

fn answer(mut stream: TcpStream, heads: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let number = head.split(' ').nth(1).and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let body = format!("about {number}");
        let authorized = head.contains(&format!("authorization: Bearer {TOKEN}\r\n"));
        let status = if authorized { "200 OK" } else { "401 Unauthorized" };
        // It tells what it was told, which no plugin may hear.
        write!(
            stream,
            "HTTP/1.1 {status}\r\nx-told: {TOKEN}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        heads.lock().unwrap().push(head);
    }
}

/// Streams `numbers`, whose step asks the server at `port`, and `others`, which has no steps.
fn workspace(port: u16) -> Workspace {
    let workspace = Workspace::files();
    workspace.install("enrich");
    workspace.write(
        "millstream.toml",
        format!(
            "[lake]\nurl = \"lake\"\n[source.files]\ndir = \"messages\"\npoll_interval = \"20ms\"\n\
             [checkpoint]\ninterval = \"200ms\"\n[worker]\nthreads = 1\n\
             [secrets]\nTOKEN = {{ file = \"token\" }}\n\
             [streams.numbers]\ntopic = \"numbers\"\n\
             [streams.numbers.schema]\nn = {{ type = \"int64\", required = true }}\n\
             [[streams.numbers.steps]]\nplugin = \"enrich\"\n\
             config = {{ url = \"http://127.0.0.1:{port}/about/{{n}}\" }}\n\
             [streams.others]\ntopic = \"others\"\n[streams.others.schema]\nn = \"int64\"\n"
        ),
    );
    workspace.write("token", format!("{TOKEN}\n"));
    workspace.write(
        "plugins/enrich.toml",
        format!(
            "[limits]\ndeadline = \"20s\"\n[grants.http.\"http://127.0.0.1:{port}\"]\npaths = [\"/about/\"]\n\
             allow_private = true\nheaders = {{ authorization = {{ secret = \"TOKEN\", prefix = \"Bearer \" }} }}\n"
        ),
    );
    workspace.write("messages/numbers/0.jsonl", "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
    workspace.write("messages/others/0.jsonl", "{\"n\":1}\n{\"n\":2}\n");
    workspace
}

#[test]
fn rows_are_enriched_with_credentials_that_the_plugin_does_not_see() {
    let numbers = Numbers::start();
    let workspace = workspace(numbers.port);
    let served = Served::start(&workspace);
    served.wait_until_committed("numbers", 3);
    let host = format!("http://127.0.0.1:{}", numbers.port);
    let (_, metrics) = served.get("/metrics");
    let sent = metrics.lines().find(|line| line.starts_with("millstream_plugin_http_requests_total{"));
    let sent = sent.expect("requests are counted");
    let labels =
        ["stream=\"numbers\"", "step=\"enrich\"", &format!("host=\"{host}\""), "outcome=\"2xx\"", "} 3"];
    assert!(labels.iter().all(|label| sent.contains(label)), "{sent}");
    assert!(!served.get("/status").1.contains(TOKEN) && !served.get("/metrics").1.contains(TOKEN));
    let output = served.stop();
    assert!(!output.stderr.contains(TOKEN), "{}", output.stderr);
    let answers = duckdb(&workspace.files_of("curated.numbers"), "select n, answer from t order by n");
    let answer = |n: i64| json!([n, format!("about {n} [(\"content-length\", \"7\")]")]);
    assert_eq!(answers, json!([answer(1), answer(2), answer(3)]));
    let heads = numbers.heads.lock().unwrap();
    assert_eq!(heads.len(), 3);
    assert!(heads.iter().all(|head| head.starts_with("GET /about/")), "{heads:?}");
}

#[test]
fn a_server_that_is_away_costs_its_own_rows_and_not_those_of_others() {
    // Bound, so that nobody else listens there, and never listening.
    let away = TcpSocket::new_v4().unwrap();
    away.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = away.local_addr().unwrap().port();
    let workspace = workspace(port);
    workspace.catch_up();
    let letters = "select stream, cause, reason, count(*) from t group by all";
    let reason = format!("no connection to http://127.0.0.1:{port}: connection refused");
    let letters = duckdb(&workspace.files_of("dead_letters"), letters);
    assert_eq!(letters, json!([["numbers", "bad_batch", reason, 3]]));
    assert_eq!(duckdb(&workspace.files_of("raw.others"), "select count(*) from t"), json!([[2]]));
}

#[test]
fn a_measurement_asks_nobody_unless_it_is_told_to() {
    let numbers = Numbers::start();
    let workspace = workspace(numbers.port);
    let bench = ["plugin", "bench", "--wasm", "plugins/enrich.wasm", "--stream", "numbers", "--rows", "3"];
    let output = workspace.millstream(&bench).run();
    assert!(output.stderr.contains("plugins are offline"), "{}", output.stderr);
    assert!(numbers.heads.lock().unwrap().is_empty(), "nothing is sent");
    workspace.millstream(&[&bench[..], &["--network"]].concat()).succeed();
    assert!(!numbers.heads.lock().unwrap().is_empty(), "requests go out");
}

#[test]
fn what_is_not_granted_is_refused_before_data_flows() {
    let workspace = workspace(1);
    let check = |file: &str, expected: &[&str]| {
        workspace.write("plugins/enrich.toml", file);
        let output = workspace.millstream(&["validate"]).run();
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        for part in expected {
            assert!(output.stderr.contains(part), "`{part}` is not in: {}", output.stderr);
        }
        assert!(!output.stderr.contains(TOKEN), "{}", output.stderr);
    };
    check(
        "",
        &[
            "millstream.toml:",
            "it imports `http`, which is not granted",
            "[grants.http.\"HOST\"]",
            "enrich.toml",
        ],
    );
    check(
        "[grants.http.\"api.example.com\"]\nheaders = { authorization = { secret = \"OTHER\" } }\n",
        &["enrich.toml:2", "no secret `OTHER`"],
    );
}
