//! What the admin API makes of requests and answers, in front of a run that gives fixed ones.

use std::sync::{Arc, Mutex};

use millstream_engine::{Engine, EngineSettings};
use millstream_http::Server;
use millstream_http::admin::AdminApi;
use millstream_model::{Digest, SystemClock};
use millstream_pipeline::admin::{
    Admin, AdminError, Candidate, CandidateState, Changed, Request, ShadowCandidate, ShadowStatus, StepId,
};
use millstream_pipeline::config::{Config, Token};
use millstream_pipeline::shadow::ShadowReport;
use millstream_pipeline::start;
use millstream_pipeline::telemetry::Telemetry;
use reqwest::Method;

const TOKEN: &str = "0123456789abcdef";
const CONFIG: &str = r#"
[lake]
url = "lake"
[source.files]
dir = "."
[streams.numbers]
topic = "numbers"
[streams.numbers.schema]
n = { type = "int64", required = true }
[[streams.numbers.steps]]
name = "odd: näme/50%"
plugin = "misbehave"
config = { mode = "keep" }
"#;
/// The step, as it stands in a path.
const STEP: &str = "streams/numbers/steps/odd%3A%20n%C3%A4me%2F50%25";
/// Largest plugin that is taken here.
const PLUGIN_BYTES_MAX: usize = 100_000;

/// A server in front of a run that answers as [`answer`] says.
struct Api {
    server: Server,
    telemetry: Arc<Telemetry>,
    asked: Arc<Mutex<Vec<String>>>,
    http: reqwest::Client,
}

impl Api {
    async fn start(remote: bool) -> Self {
        let telemetry = Arc::new(Telemetry::new("worker-0", Arc::new(SystemClock)));
        let (admin, mut requests) = Admin::channel();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, figures) = (asked.clone(), telemetry.clone());
        tokio::spawn(async move {
            while let Some(request) = requests.recv().await {
                log.lock().unwrap().push(words(&request));
                answer(request, &figures);
            }
        });
        let api =
            AdminApi { admin, token: Token::new(TOKEN).unwrap(), remote, plugin_bytes_max: PLUGIN_BYTES_MAX };
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::start(address, telemetry.clone(), Some(api)).await.unwrap();
        Self { server, telemetry, asked, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// Lets the stream and a candidate of its step be there.
    fn begin(&self) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("plugins")).unwrap();
        std::fs::copy(millstream_guests::wasm("misbehave"), folder.path().join("plugins/misbehave.wasm"))
            .unwrap();
        std::fs::write(folder.path().join("millstream.toml"), CONFIG).unwrap();
        let config = Config::read(&folder.path().join("millstream.toml"), []).unwrap();
        let engine = Engine::new(EngineSettings::default()).unwrap();
        self.telemetry.begin(&start::plan(&config, &engine).unwrap());
        let step = StepId::new("numbers", "odd: näme/50%");
        let candidate = Candidate {
            step: step.clone(),
            plugin: Some(digest('a')),
            version: None,
            from: "plugins/misbehave.wasm".to_owned(),
            state: CandidateState::AwaitsApproval { widened: vec!["newly reads column `m`".to_owned()] },
            at_us: 1,
        };
        self.telemetry.candidates.lock().unwrap().insert(step, candidate);
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}/api/v1/{path}", self.server.address());
        self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), url).bearer_auth(TOKEN)
    }

    /// The answer has this status, and this is in its body; no answer may be kept by anybody.
    async fn check(
        &self,
        request: reqwest::RequestBuilder,
        status: u16,
        part: &str,
    ) -> reqwest::header::HeaderMap {
        let answer = request.send().await.unwrap();
        let (found, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.text().await.unwrap();
        assert!(
            found == status && body.contains(part),
            "{found} is not {status}, or `{part}` is not in: {body}"
        );
        assert_eq!(headers["cache-control"], "no-store");
        if status >= 400 {
            assert_eq!(headers["content-type"], "application/problem+json");
            assert!(body.contains(&format!("\"status\":{status}")), "{body}");
        }
        headers
    }

    async fn get(&self, path: &str, status: u16, part: &str) {
        self.check(self.request("GET", path), status, part).await;
    }

    async fn post(&self, path: &str, body: &'static str, status: u16, part: &str) {
        let request = self.request("POST", path).header("content-type", "application/json").body(body);
        self.check(request, status, part).await;
    }

    /// What the run was asked for since the last call.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn digest(digit: char) -> Digest {
    digit.to_string().repeat(64).parse().unwrap()
}

/// A request without its way back.
fn words(request: &Request) -> String {
    match request {
        Request::Approve(step, digest, _) => format!("approve {step} {}", digest.short()),
        Request::Promote(step, digest, _) => format!("promote {step} {}", digest.short()),
        Request::RollBack(step, digest, _) => {
            format!("roll back {step} {:?}", digest.map(|digest| digest.short()))
        }
        Request::Dismiss(step, _) => format!("dismiss {step}"),
        Request::Pause(stream, reason, _) => format!("pause {stream}: {reason}"),
        Request::Resume(stream, _) => format!("resume {stream}"),
        Request::Shadow(step, ShadowCandidate::Bytes(bytes), extent, _) => {
            format!("shadow {step} {} bytes {extent:?}", bytes.len())
        }
        Request::Shadow(step, ShadowCandidate::Digest(digest), extent, _) => {
            format!("shadow {step} {} {extent:?}", digest.short())
        }
    }
}

/// One kind of answer for each kind of request.
fn answer(request: Request, telemetry: &Telemetry) {
    match request {
        Request::Approve(.., reply) => reply.send(Ok(())).unwrap(),
        Request::Promote(_, plugin, reply) => reply.send(Ok(Changed { plugin, sequence: 7 })).unwrap(),
        Request::RollBack(_, _, reply) => {
            reply.send(Err(AdminError::Conflict("there is no version before".to_owned()))).unwrap();
        }
        Request::Dismiss(_, reply) => {
            reply.send(Err(AdminError::Unknown("no candidate".to_owned()))).unwrap()
        }
        Request::Pause(.., reply) => reply.send(Ok(9)).unwrap(),
        // The run ends with the request in its hands.
        Request::Resume(_, reply) => drop(reply),
        Request::Shadow(_, ShadowCandidate::Bytes(_), _, reply) => {
            reply.send(Err(AdminError::Refused("not a plugin".to_owned()))).unwrap();
        }
        Request::Shadow(step, ShadowCandidate::Digest(plugin), _, reply) => {
            let report = ShadowReport { rows: 5, ..ShadowReport::default() };
            let status = ShadowStatus { id: 3, step, plugin, done: false, error: None, report };
            telemetry.shadows.lock().unwrap().insert(3, status.clone());
            reply.send(Ok(status)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_reach_the_run_and_its_answers_come_back() {
    let api = Api::start(false).await;
    api.get("steps", 503, "the run is starting").await;
    api.begin();
    let of_step = |verb: &str| format!("{STEP}/{verb}");
    let whole = "{\"digest\":\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"}";

    api.get("steps", 200, "\"step\":\"odd: näme/50%\"").await;
    api.get(
        STEP,
        200,
        "\"state\":\"awaits_approval\",\"reason\":null,\"widened\":[\"newly reads column `m`\"]",
    )
    .await;
    api.get("streams", 200, "\"steps\":[\"odd: näme/50%\"]").await;
    api.get("streams/numbers", 200, "\"topic\":\"numbers\"").await;
    api.get("streams/a%2Fb", 404, "no stream `a/b`; there are: numbers").await;
    api.get("streams/numbers/steps/x", 404, "no step `x` in stream `numbers`; it has: odd: näme/50%").await;
    api.get("streams/%ff", 400, "UTF-8").await;
    api.get("nowhere", 404, "no such path").await;
    assert!(api.asked().is_empty(), "nobody was to be asked");

    api.post(&of_step("approve"), "{\"digest\":\"aaaaaaaa\"}", 204, "").await;
    api.post(&of_step("promote"), "{\"digest\":\"aaaaaaaaaaaa\"}", 200, "\"sequence\":7").await;
    api.post(&of_step("promote"), whole, 200, "bbbb").await;
    api.post(&of_step("rollback"), "", 409, "there is no version before").await;
    api.post(&of_step("rollback"), "null", 409, "there is no version before").await;
    api.post(&of_step("rollback"), whole, 409, "there is no version before").await;
    api.post(&of_step("dismiss"), "", 404, "no candidate").await;
    api.post("streams/numbers/pause", "", 200, "{\"sequence\":9}").await;
    api.post("streams/numbers/pause", "{\"reason\":\"tea\"}", 200, "{\"sequence\":9}").await;
    api.post("streams/numbers/resume", "", 503, "the run is ending").await;
    let expected = [
        "approve numbers/odd: näme/50% aaaaaaaaaaaa",
        "promote numbers/odd: näme/50% aaaaaaaaaaaa",
        "promote numbers/odd: näme/50% bbbbbbbbbbbb",
        "roll back numbers/odd: näme/50% None",
        "roll back numbers/odd: näme/50% None",
        "roll back numbers/odd: näme/50% Some(\"bbbbbbbbbbbb\")",
        "dismiss numbers/odd: näme/50%",
        "pause numbers: asked for over the admin API",
        "pause numbers: tea",
        "resume numbers",
    ];
    assert_eq!(api.asked(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_is_begun_with_a_file_or_a_digest() {
    let api = Api::start(false).await;
    api.begin();
    let begin = |query: &str| api.request("POST", &format!("{STEP}/shadows{query}"));
    let json = |query: &str| begin(query).header("content-type", "application/json; charset=utf-8");
    let wasm =
        |bytes: usize| begin("?last=5").header("content-type", "application/wasm").body(vec![0; bytes]);

    api.get("shadows/3", 404, "no shadow 3").await;
    let headers = api.check(json("?for=30s").body("{\"digest\":\"aaaaaaaa\"}"), 201, "\"rows\":5").await;
    assert_eq!(headers["location"], "/api/v1/shadows/3");
    api.get("shadows/3", 200, "\"done\":false").await;
    api.get("shadows", 200, "\"id\":3").await;
    api.check(wasm(PLUGIN_BYTES_MAX), 422, "not a plugin").await;
    let expected = [
        "shadow numbers/odd: näme/50% aaaaaaaaaaaa For(30s)",
        "shadow numbers/odd: näme/50% 100000 bytes Last(5)",
    ];
    assert_eq!(api.asked(), expected);

    api.check(wasm(PLUGIN_BYTES_MAX + 1), 413, "larger than anything that is taken here").await;
    api.check(json("?for=30s&last=1").body("{}"), 400, "either `for`").await;
    api.check(json("?for=30s&for=31s").body("{}"), 400, "duplicate field `for`").await;
    api.check(json("?for=soon").body("{}"), 400, "as in 30s").await;
    api.check(json("?until=1").body("{}"), 400, "unknown field `until`").await;
    api.check(begin("?last=1").body("x"), 415, "no Content-Type").await;
    api.check(begin("?last=1").header("content-type", "text/plain").body("x"), 415, "`text/plain`").await;
    assert!(api.asked().is_empty(), "the run was asked for what is malformed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_is_said_and_not_passed_on() {
    let api = Api::start(false).await;
    api.begin();
    let promote = format!("{STEP}/promote");
    for (body, status, part) in [
        ("", 400, "the body"),
        ("{", 400, "the body"),
        ("[]", 400, "the body"),
        ("{}", 400, "missing field `digest`"),
        ("{\"digest\":\"aaaaaaaa\",\"force\":true}", 400, "unknown field `force`"),
        ("{\"digest\":\"aaaaaaaa\",\"digest\":\"aaaaaaaa\"}", 400, "duplicate field `digest`"),
        ("{\"digest\":\"aaaaaaa\"}", 400, "at least 8"),
        ("{\"digest\":\"AAAAAAAA\"}", 400, "lower case"),
        ("{\"digest\":\"../../../\"}", 400, "hexadecimal"),
        ("{\"digest\":\"cccccccc\"}", 404, "begins with cccccccc; it has: aaaa"),
    ] {
        api.post(&promote, body, status, part).await;
    }
    let large =
        api.request("POST", &promote).header("content-type", "application/json").body(" ".repeat(70_000));
    api.check(large, 413, "larger than").await;
    api.post(&format!("{STEP}/dismiss"), "{}", 400, "leave it out").await;
    api.post("streams/numbers/pause?why=1", "", 400, "unknown field `why`").await;
    api.post("streams/numbers/pause", "{\"reason\":1}", 400, "the body").await;
    api.get("steps?stream=numbers", 400, "unknown field `stream`").await;
    let headers = api.check(api.request("DELETE", "steps"), 405, "the header Allow").await;
    assert_eq!(headers["allow"], "GET,HEAD");
    assert!(api.asked().is_empty(), "the run was asked for what is malformed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_led_here_by_a_name_of_its_own_gets_nothing() {
    for (remote, host, status) in [
        (false, "evil.example", 421),
        (false, "localhost:1", 503),
        (false, "[::1]", 503),
        (true, "evil.example", 503),
    ] {
        let api = Api::start(remote).await;
        api.check(api.request("GET", "steps").header("host", host), status, "").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_there_is_no_api() {
    let telemetry = Arc::new(Telemetry::new("worker-0", Arc::new(SystemClock)));
    let server = Server::start("127.0.0.1:0".parse().unwrap(), telemetry, None).await.unwrap();
    for path in ["api/v1/steps", "api/v1/openapi.json", "api/x"] {
        let answer = reqwest::get(format!("http://{}/{path}", server.address())).await.unwrap();
        assert_eq!(answer.status().as_u16(), 404);
        let body = answer.text().await.unwrap();
        assert!(body.contains("the admin API is off") && body.contains("token_file"), "{body}");
    }
    server.stop().await;
}

/// `docs/openapi.json` is what is served; `MILLSTREAM_BLESS=1` writes it anew.
#[test]
fn the_description_in_the_documents_is_the_one_that_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let served = millstream_http::admin::description();
    if std::env::var_os("MILLSTREAM_BLESS").is_some() {
        std::fs::write(path, &served).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == served, "docs/openapi.json is another one; MILLSTREAM_BLESS=1 writes it anew");
}
