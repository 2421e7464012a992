//! Who gets through to the API: whoever calls this machine by a name of its own (a page in a browser that was
//! led here by its own name's address does not, RFC 9110 part 15.5.20) and presents the token (RFC 6750). There
//! are no cookies, so nothing is presented unasked. All answers pass here, too: late ones are given up, none is
//! kept, changes are noted in the log.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use millstream_pipeline::config::Token;

use super::problem::Problem;

/// How long a request may take, its body and the compilation of a plugin included.
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// What is asked of a request.
#[derive(Debug)]
pub struct Gate {
    /// What it has to present.
    pub token: Token,
    /// Whether it may call this machine by any name.
    pub remote: bool,
}

/// Lets a request through, or says why not.
pub async fn guard(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let mut response = match gate.check(&request) {
        Ok(()) => answered(request, next).await,
        Err(refusal) => refusal,
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The answer in time, or none. Who may ask is noted with what is asked for.
async fn answered(request: Request, next: Next) -> Response {
    let changes = request.method() == Method::POST;
    let path = format!("/api{}", request.uri().path());
    let answer = tokio::time::timeout(ANSWER_MAX, next.run(request)).await;
    let response = answer.unwrap_or_else(|_| late().into_response());
    if changes {
        tracing::info!(path, status = response.status().as_u16(), "the admin API was asked for a change");
    }
    response
}

fn late() -> Problem {
    let detail = format!(
        "no answer within {} s; what was asked for may still be done, so look before asking again",
        ANSWER_MAX.as_secs()
    );
    Problem::new(StatusCode::GATEWAY_TIMEOUT, detail)
}

impl Gate {
    fn check(&self, request: &Request) -> Result<(), Response> {
        if !self.remote && !is_local(request.uri(), request.headers()) {
            let detail = "this is served under names of its own machine only, such as localhost; to serve it \
                          under others, set [admin] remote = true in the configuration";
            return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response());
        }
        match presented(request.headers()) {
            Some(token) if self.token.is(token) => Ok(()),
            Some(_) => {
                Err(challenge("Bearer realm=\"millstream\", error=\"invalid_token\"", "another token"))
            }
            None => Err(challenge("Bearer realm=\"millstream\"", "no token")),
        }
    }
}

fn challenge(challenge: &'static str, found: &str) -> Response {
    let detail = format!(
        "{found}; send `Authorization: Bearer TOKEN` with the token that [admin] token_file, [admin] token or \
         MILLSTREAM_ADMIN__TOKEN gave the run"
    );
    let headers = [(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))];
    (headers, Problem::new(StatusCode::UNAUTHORIZED, detail)).into_response()
}

/// The token that a request presents, in the one header that it may stand in.
fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, more) = (values.next()?.as_bytes(), values.next());
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    (more.is_none() && scheme.eq_ignore_ascii_case(b"Bearer ")).then_some(token.trim_ascii())
}

/// True if whoever asks calls this machine by an address or a name that only it has for itself.
fn is_local(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let authority = uri.authority().map(|authority| authority.as_str());
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_local_host(host) && authority.is_none_or(is_local_host),
        _ => false,
    }
}

fn is_local_host(host: &str) -> bool {
    let Ok(authority) = host.parse::<axum::http::uri::Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    let is_address = name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    is_address || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_machine_itself_are_local() {
        let check = |host: &str, local: bool| assert_eq!(is_local_host(host), local, "{host}");
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:9464", "127.8.8.8", "[::1]:9464", "[::1]"] {
            check(host, true);
        }
        for host in ["", "localhost.evil.example", "127.0.0.1.nip.io", "10.0.0.1", "[::2]", "0.0.0.0", "a b"]
        {
            check(host, false);
        }
    }

    #[test]
    fn a_token_stands_in_one_header_of_its_scheme() {
        let check = |values: &[&str], expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(presented(&headers), expected.map(str::as_bytes), "{values:?}");
        };
        check(&[], None);
        check(&["Bearer abc"], Some("abc"));
        check(&["bearer  abc "], Some("abc"));
        check(&["Basic abc"], None);
        check(&["Bearer"], None);
        check(&["abc"], None);
        check(&["Bearer abc", "Bearer abc"], None);
    }
}
