//! Steps that ask servers, against a network that the test plays: what leaves the plugin, what comes back,
//! and where it ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use millstream_engine::{
    Allowance, Cause, ConfigureError, Engine, EngineSettings, Grants, HostFigures, HttpGrant, Limits,
    Network, Origin, Outbound, OutboundError, Plugin, Request, Response, Scheme, Step, StepOutput,
};

use crate::{batch, engine, input, misbehave};

type Answer = Box<dyn Fn(&Request) -> Result<Response, OutboundError> + Send + Sync>;

/// A network whose one server answers as the test says, and remembers what it was asked.
#[derive(Clone)]
struct Played(Arc<Server>);

struct Server {
    answer: Answer,
    calls: Mutex<Vec<(Vec<Request>, Allowance)>>,
}

impl std::fmt::Debug for Played {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Played")
    }
}

impl Network for Played {
    fn outbound(&self, granted: &BTreeMap<Origin, HttpGrant>) -> Result<Arc<dyn Outbound>, String> {
        let known = granted.keys().all(|origin| origin.host != "unknown.example");
        if known { Ok(self.0.clone()) } else { Err("it knows no secret `TOKEN`".to_owned()) }
    }
}

impl Outbound for Server {
    fn send(&self, requests: Vec<Request>, allowance: Allowance) -> Vec<Result<Response, OutboundError>> {
        let answers = requests.iter().map(&self.answer).collect();
        self.calls.lock().unwrap().push((requests, allowance));
        answers
    }

    fn figures(&self) -> Vec<HostFigures> {
        let requests = self.calls.lock().unwrap().iter().map(|(requests, _)| requests.len() as u64).sum();
        vec![HostFigures { host: "s".into(), outcome: "2xx", requests, busy: Duration::ZERO }]
    }
}

impl Played {
    fn new(answer: impl Fn(&Request) -> Result<Response, OutboundError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Server { answer: Box::new(answer), calls: Mutex::default() }))
    }

    fn plugin(&self) -> Plugin {
        let settings = EngineSettings { network: Some(Arc::new(self.clone())), ..EngineSettings::default() };
        Engine::new(settings).unwrap().load(&millstream_guests::wasm("enrich")).unwrap()
    }

    fn step(&self, config: serde_json::Value, limits: Limits) -> Result<Step, ConfigureError> {
        self.plugin().configure(&config, &input(), limits, &granted("numbers.example"))
    }

    fn process(&self, config: serde_json::Value, limits: Limits, rows: &[i64]) -> StepOutput {
        self.step(config, limits).unwrap().instance().process(&batch(rows))
    }

    fn urls(&self) -> Vec<Vec<String>> {
        let calls = self.0.calls.lock().unwrap();
        calls.iter().map(|(requests, _)| requests.iter().map(|one| one.url.clone()).collect()).collect()
    }
}

fn granted(host: &str) -> Grants {
    let origin = Origin { scheme: Scheme::Https, host: host.to_owned(), port: 443 };
    Grants { http: BTreeMap::from([(origin, HttpGrant::default())]), ..Grants::default() }
}

fn asking() -> serde_json::Value {
    serde_json::json!({ "url": "https://numbers.example/{n}" })
}

fn echo(request: &Request) -> Result<Response, OutboundError> {
    let body = request.url.rsplit('/').next().unwrap().to_owned().into_bytes();
    Ok(Response { status: 200, headers: vec![("etag".to_owned(), "x".to_owned())], body })
}

fn answers(output: &StepOutput) -> Vec<&str> {
    output.passed.column_by_name("answer").unwrap().as_string::<i32>().iter().flatten().collect()
}

#[test]
fn asks_for_a_batch_at_once_within_the_time_and_room_of_the_call() {
    let network = Played::new(echo);
    let limits = Limits { output_bytes: 1 << 20, ..Limits::default() };
    let before = Instant::now();
    let output = network.process(asking(), limits, &[7, 8, 9]);
    assert_eq!(answers(&output), [r#"7 [("etag", "x")]"#, r#"8 [("etag", "x")]"#, r#"9 [("etag", "x")]"#]);
    let calls = network.0.calls.lock().unwrap();
    let [(requests, allowance)] = calls.as_slice() else { panic!("one call: {}", calls.len()) };
    assert_eq!(requests.len(), 3);
    assert_eq!((requests[0].method.as_str(), requests[0].url.as_str()), ("GET", "https://numbers.example/7"));
    let waiting = Limits::default().deadline * 9 / 10;
    assert!(allowance.until >= before + waiting, "it has most of the deadline");
    assert!(allowance.until <= Instant::now() + waiting, "the rest is the plugin's");
    assert!(allowance.bytes < 1 << 20, "what was sent is counted already: {}", allowance.bytes);
}

#[test]
fn asks_for_each_row_if_the_plugin_does() {
    let network = Played::new(echo);
    let config =
        serde_json::json!({ "url": "https://numbers.example/{n}", "method": "POST", "one_by_one": true });
    let step = network.step(config, Limits::default()).unwrap();
    step.instance().process(&batch(&[7, 8]));
    assert_eq!(network.urls(), [["https://numbers.example/7"], ["https://numbers.example/8"]]);
    assert!(step.uses_http());
    assert_eq!(step.http_figures()[0].requests, 2);
}

#[test]
fn plugins_that_ask_nobody_do_not_import_http() {
    let adjust = engine().load(&millstream_guests::wasm("adjust")).unwrap();
    assert!(!adjust.imports_http(), "it is written with the SDK, whose world has http");
    assert!(!misbehave().imports_http());
    assert!(!crate::step("double", Limits::default()).uses_http());
}

#[test]
fn refuses_before_data_flows() {
    let network = Played::new(echo);
    let check = |plugin: Plugin, config: serde_json::Value, grants: &Grants, expected: &str| {
        let message = plugin.configure(&config, &input(), Limits::default(), grants).unwrap_err().to_string();
        assert!(message.contains(expected), "`{expected}` is not in: {message}");
    };
    let not_granted = "it imports `http`, which is not granted: add [grants.http.\"HOST\"]";
    check(network.plugin(), asking(), &Grants::default(), not_granted);
    let no_secret = "plugin `enrich` cannot send requests: it knows no secret `TOKEN`";
    check(network.plugin(), asking(), &granted("unknown.example"), no_secret);
    let alone = engine().load(&millstream_guests::wasm("enrich")).unwrap();
    check(alone, asking(), &granted("numbers.example"), "this engine has no network");
    let early = serde_json::json!({ "url": "https://numbers.example/", "asks_too_early": true });
    let outside = "works on a batch outside a call to process";
    check(network.plugin(), early, &granted("numbers.example"), outside);
    assert!(network.urls().is_empty(), "nothing was sent");
}

#[test]
fn a_server_that_is_away_costs_rows_only_after_the_tries() {
    let network = Played::new(|request| match request.url.ends_with("/8") {
        true => Err(OutboundError::Failed("no connection".to_owned())),
        false => echo(request),
    });
    let limits = Limits { retries: 2, ..Limits::default() };
    let output = network.process(asking(), limits, &[7, 8]);
    assert_eq!(answers(&output), [r#"7 [("etag", "x")]"#]);
    let [rejected] = output.rejected.as_slice() else { panic!("{:?}", output.rejected) };
    assert_eq!((rejected.offset, rejected.cause, &*rejected.reason), (101, Cause::BadBatch, "no connection"));
    assert_eq!(network.urls().iter().filter(|urls| urls.len() == 2).count(), 3, "once, and two more tries");
}

#[test]
fn answers_cannot_exceed_what_the_step_may_have() {
    let check = |bytes: usize, limits: Limits, expected: Cause| {
        let network =
            Played::new(move |_| Ok(Response { status: 200, headers: Vec::new(), body: vec![b'x'; bytes] }));
        let output = network.process(asking(), limits, &[7]);
        assert_eq!(output.rejected[0].cause, expected, "{}", output.rejected[0].reason);
    };
    check(2 << 20, Limits { output_bytes: 1 << 20, ..Limits::default() }, Cause::OutputCap);
    check(9 << 20, Limits { memory_bytes: 4 << 20, ..Limits::default() }, Cause::Memory);
}

#[test]
fn what_is_sent_is_bounded_too() {
    let network = Played::new(echo);
    let long = format!("https://numbers.example/{}", "x".repeat(1 << 20));
    let limits = Limits { output_bytes: 64 << 10, ..Limits::default() };
    let output = network.process(serde_json::json!({ "url": long }), limits, &[7]);
    assert_eq!(output.rejected[0].cause, Cause::OutputCap, "{}", output.rejected[0].reason);
    assert!(network.urls().is_empty(), "nothing was sent");
}
