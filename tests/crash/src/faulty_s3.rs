//! An HTTP proxy in front of the S3 server that gives seeded requests of a round another answer than the
//! server's: an error, silence, or one that hides that the request was performed. It passes heads on as they
//! are, `Host` too, so that signatures stay valid. It knows of S3 no more than what kind of object a path is.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::plan::{Answer, StoreFault, Target};

/// Longer than a worker waits for an answer.
const SLOW: Duration = Duration::from_secs(4);

/// The proxy; it ends with the runtime.
pub(crate) struct FaultyS3 {
    /// Address, as `http://127.0.0.1:12345`.
    pub(crate) endpoint: String,
    script: Arc<Script>,
    _runtime: tokio::runtime::Runtime,
}

/// What is to go wrong, and what has.
#[derive(Default)]
struct Script(Mutex<State>);

#[derive(Default)]
struct State {
    faults: Vec<StoreFault>,
    /// Requests of the round so far.
    seen: BTreeMap<Target, u64>,
    injected: BTreeMap<&'static str, u64>,
}

impl FaultyS3 {
    /// Starts a proxy in front of the server at `upstream`.
    pub(crate) fn start(upstream: &str) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).context("no port for the proxy")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let script = Arc::new(Script::default());
        // Idle connections to a server that was killed would be faults that nobody planned.
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        let client = client.redirect(reqwest::redirect::Policy::none()).build()?;
        let forward = Forward { upstream: upstream.to_owned(), client, script: script.clone() };
        runtime.spawn(accept(listener, Arc::new(forward)));
        Ok(Self { endpoint, script, _runtime: runtime })
    }

    /// Begins a round; gives how often each answer was given in the one before.
    pub(crate) fn begin(&self, faults: Vec<StoreFault>) -> BTreeMap<&'static str, u64> {
        std::mem::replace(&mut *self.script.state(), State { faults, ..State::default() }).injected
    }
}

impl Script {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Counts a request, and says what is to become of it, if it is one of the planned.
    fn next(&self, target: Target) -> Option<Answer> {
        let mut state = self.state();
        let seen = state.seen.entry(target).or_default();
        let index = *seen;
        *seen += 1;
        let strikes = |f: &&StoreFault| f.target == target && (f.first..f.first + f.times).contains(&index);
        let answer = state.faults.iter().find(strikes)?.answer;
        *state.injected.entry(answer.name()).or_default() += 1;
        Some(answer)
    }
}

struct Forward {
    upstream: String,
    client: reqwest::Client,
    script: Arc<Script>,
}

/// Ends the connection without an answer.
#[derive(Debug)]
struct HangUp;

impl std::fmt::Display for HangUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is to end without an answer")
    }
}

impl std::error::Error for HangUp {}

async fn accept(listener: TcpListener, forward: Arc<Forward>) -> Infallible {
    loop {
        // Out of descriptors, say: the next attempt may have one.
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::spawn(serve(stream, forward.clone()));
    }
}

async fn serve(stream: TcpStream, forward: Arc<Forward>) {
    let service = service_fn(|request| forward.answer(request));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // That a client or the plan hangs up is nothing to report.
    let _ = connection.await;
}

impl Forward {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, HangUp> {
        let answer = self.script.next(target(request.method(), request.uri().path()));
        match answer {
            Some(Answer::Unavailable) => return Ok(error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown")),
            Some(Answer::Failed) => return Ok(error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")),
            Some(Answer::Reset) => return Err(HangUp),
            _ => {}
        }
        let performed = self.perform(request).await;
        match answer {
            Some(Answer::Lost) => Err(HangUp),
            Some(Answer::FalseFailure) => Ok(error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")),
            Some(Answer::FalseConflict) => Ok(error(StatusCode::CONFLICT, "ConditionalRequestConflict")),
            Some(Answer::Slow) => {
                tokio::time::sleep(SLOW).await;
                performed.map_err(|_| HangUp)
            }
            // A server that is down is no answer either.
            _ => performed.map_err(|_| HangUp),
        }
    }

    async fn perform(&self, request: Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let body = body.collect().await?.to_bytes();
        for hop in [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH] {
            head.headers.remove(hop);
        }
        let url = format!("{}{path}", self.upstream);
        let answer = self.client.request(head.method, url).headers(head.headers).body(body).send().await?;
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            if *name != header::CONNECTION && *name != header::TRANSFER_ENCODING {
                response = response.header(name, value);
            }
        }
        Ok(response.body(Full::new(answer.bytes().await?))?)
    }
}

fn target(method: &Method, path: &str) -> Target {
    match *method {
        Method::PUT if path.contains("/_millstream/log/entries/") => Target::Entry,
        Method::PUT if path.ends_with(".parquet") => Target::File,
        _ => Target::Other,
    }
}

fn error(status: StatusCode, code: &str) -> Response<Full<Bytes>> {
    let body = format!("<Error><Code>{code}</Code><Message>as the crash suite planned</Message></Error>");
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_their_target() {
        let fault = StoreFault { target: Target::Entry, first: 1, times: 2, answer: Answer::Lost };
        let script = Script::default();
        script.state().faults = vec![fault];
        let answers = [Target::Entry, Target::File, Target::Entry, Target::Entry, Target::Entry]
            .map(|target| script.next(target));
        assert_eq!(answers, [None, None, Some(Answer::Lost), Some(Answer::Lost), None]);
        assert_eq!(script.state().injected, BTreeMap::from([("lost-answer", 2)]));
    }

    #[test]
    fn paths_tell_what_a_request_is_for() {
        for (method, path, expected) in [
            (Method::PUT, "/lake/a/_millstream/log/entries/00000000000000000001.json", Target::Entry),
            (Method::GET, "/lake/a/_millstream/log/entries/00000000000000000001.json", Target::Other),
            (Method::PUT, "/lake/a/raw/vehicle/day=2026-01-01/x-000001.parquet", Target::File),
            (Method::PUT, "/lake/a/_probe/1", Target::Other),
        ] {
            assert_eq!(target(&method, path), expected, "{method} {path}");
        }
    }
}
