//! A real plugin that asks a real server through the engine: with credentials that it does not see, and when
//! the server is away.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use millstream_egress::{Egress, Secrets};
use millstream_engine::{
    Cause, Engine, EngineSettings, Grants, HttpGrant, InputSpec, Limits, Origin, Scheme, SecretHeader, Step,
    StepOutput,
};
use millstream_model::columns;
use tokio::net::TcpSocket;

const TOKEN: &str = "wheat-and-barley";

/// A server that knows what to say of each number, to whom has the token, and tells that. It goes with the
/// test's process.
fn serve() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, heads) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::default()));
    let seen: Arc<Mutex<Vec<String>>> = Arc::clone(&heads);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let seen = Arc::clone(&seen);
            thread::spawn(move || stream.and_then(|stream| answer(stream, &seen)));
        }
    });
    (port, heads)
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
        write!(
            stream,
            "HTTP/1.1 {status}\r\nx-told: {TOKEN}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        heads.lock().unwrap().push(head);
    }
}

fn rows(numbers: &[i64]) -> RecordBatch {
    let count = numbers.len();
    let declared = [Field::new("n", DataType::Int64, false)];
    let schema = Schema::new(declared.into_iter().chain(columns::of_batch()).collect::<Vec<_>>());
    let offsets: Vec<i64> = (0..count as i64).collect();
    let times = TimestampMicrosecondArray::from(offsets.clone()).with_timezone("UTC");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(numbers.to_vec())),
        Arc::new(StringArray::from(vec!["s"; count])),
        Arc::new(Int32Array::from(vec![0; count])),
        Arc::new(Int64Array::from(offsets)),
        Arc::new(times.clone()),
        Arc::new(times),
        Arc::new(BinaryArray::from(vec![b"key".as_slice(); count])),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

/// The guest `enrich`, which may ask `http://127.0.0.1:PORT/about/…` and asks there for `path`.
fn step(port: u16, path: &str) -> Step {
    let secrets = Secrets::from_iter([("TOKEN".to_owned(), TOKEN.to_owned())]);
    let settings =
        EngineSettings { network: Some(Arc::new(Egress::new(secrets))), ..EngineSettings::default() };
    let plugin = Engine::new(settings).unwrap().load(&millstream_guests::wasm("enrich")).unwrap();
    let token = SecretHeader { secret: "TOKEN".to_owned(), prefix: "Bearer ".to_owned() };
    let grant = HttpGrant {
        paths: BTreeSet::from(["/about/".to_owned()]),
        allow_private: true,
        headers: BTreeMap::from([("authorization".to_owned(), token)]),
        ..HttpGrant::default()
    };
    let origin = Origin { scheme: Scheme::Http, host: "127.0.0.1".to_owned(), port };
    let grants = Grants { http: BTreeMap::from([(origin, grant)]), ..Grants::default() };
    let config = serde_json::json!({ "url": format!("http://127.0.0.1:{port}{path}") });
    let input = InputSpec::new("s", rows(&[]).schema());
    let limits = Limits { deadline: std::time::Duration::from_secs(30), ..Limits::default() };
    plugin.configure(&config, &input, limits, &grants).unwrap()
}

fn answers(output: &StepOutput) -> Vec<&str> {
    output.passed.column_by_name("answer").unwrap().as_string::<i32>().iter().flatten().collect()
}

#[test]
fn rows_are_enriched_with_credentials_that_the_plugin_does_not_see() {
    let (port, heads) = serve();
    let step = step(port, "/about/{n}");
    let output = step.instance().process(&rows(&[7, 8]));
    let expected = ["about 7", "about 8"].map(|body| format!("{body} [(\"content-length\", \"7\")]"));
    assert_eq!(answers(&output), expected, "{:?}", output.rejected);
    assert!(heads.lock().unwrap().iter().all(|head| head.contains(TOKEN)), "the server asks for it");
    let figures = step.http_figures();
    assert_eq!((figures[0].outcome, figures[0].requests), ("2xx", 2));
}

#[test]
fn a_server_that_is_away_costs_rows_after_the_tries() {
    // Bound, so that nobody else listens there, and never listening.
    let away = TcpSocket::new_v4().unwrap();
    away.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = away.local_addr().unwrap().port();
    let output = step(port, "/about/{n}").instance().process(&rows(&[7, 8]));
    let reason = format!("no connection to http://127.0.0.1:{port}: connection refused");
    assert_eq!(output.rejected.len(), 2);
    assert!(output.rejected.iter().all(|row| row.cause == Cause::BadBatch && *row.reason == *reason));
}

#[test]
fn what_the_grant_does_not_name_is_denied_while_rows_flow() {
    let (port, heads) = serve();
    let output = step(port, "/secrets/{n}").instance().process(&rows(&[7]));
    let reason = format!("this path of http://127.0.0.1:{port} is not granted");
    assert_eq!(*output.rejected[0].reason, *reason);
    assert!(heads.lock().unwrap().is_empty(), "nothing was sent");
}
