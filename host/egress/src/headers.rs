//! Which headers a plugin may send and which it may see. Both lists are about who decides: the connection, the
//! length of a message and credentials are the host's.

use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};
use millstream_engine::OutboundError;

use crate::allow::Rule;
use crate::target::{Target, denied};

/// Most headers of a request or an answer.
pub(crate) const HEADERS_MAX: usize = 100;

/// What says who asks: the host's to say.
const IDENTITY: [&str; 14] = [
    // What comes back must be readable for the host, which looks for credentials in it.
    "accept-encoding",
    "range",
    "authorization",
    "cookie",
    "cookie2",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];
/// What an answer says about credentials or about other ways to the server.
const WITHHELD: [&str; 6] =
    ["alt-svc", "authentication-info", "authorization", "set-cookie", "set-cookie2", "www-authenticate"];

/// Headers about the connection or the length of a message, which decide where one message ends and the next
/// begins.
pub(crate) fn is_of_connection(name: &HeaderName) -> bool {
    let names = [
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    ];
    names.contains(&name.as_str()) || name.as_str().starts_with("proxy-")
}

/// The headers of a plugin's request, if it may send all of them.
pub(crate) fn of_plugin(headers: &[(String, String)]) -> Result<HeaderMap, OutboundError> {
    if headers.len() > HEADERS_MAX {
        return Err(denied(format!("a request has at most {HEADERS_MAX} headers")));
    }
    let mut checked = HeaderMap::new();
    for (name, value) in headers {
        let parsed = HeaderName::try_from(name.as_str())
            .map_err(|_| denied(format!("`{}` is no name of a header", name.escape_debug())))?;
        let value = HeaderValue::try_from(value.as_str())
            .map_err(|_| denied(format!("header `{parsed}` has a value with a line's end or the like")))?;
        if is_of_connection(&parsed) || IDENTITY.contains(&parsed.as_str()) {
            return Err(denied(format!("header `{parsed}` is the host's to set")));
        }
        checked.append(parsed, value);
    }
    Ok(checked)
}

/// All headers of a request: the plugin's, the host's, and the credentials for this server.
pub(crate) fn of_request(
    of_plugin: &HeaderMap,
    rule: &Rule,
    target: &Target,
) -> Result<HeaderMap, OutboundError> {
    let mut headers = of_plugin.clone();
    for (name, value) in &rule.injected {
        if headers.insert(name.clone(), value.clone()).is_some() {
            return Err(denied(format!("header `{name}` is the host's to set")));
        }
    }
    let authority =
        HeaderValue::try_from(target.authority()).map_err(|_| denied("the url has no plain host"))?;
    headers.insert(header::HOST, authority);
    let defaults = [
        (header::USER_AGENT, concat!("millstream/", env!("CARGO_PKG_VERSION"))),
        (header::ACCEPT, "*/*"),
        (header::ACCEPT_ENCODING, "identity"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    Ok(headers)
}

/// The headers of an answer that a plugin may see: texts without credentials.
pub(crate) fn of_answer(
    headers: &HeaderMap,
    hides: impl Fn(&HeaderName, &[u8]) -> bool,
) -> Vec<(String, String)> {
    let visible = |(name, value): (&HeaderName, &HeaderValue)| {
        let withheld = is_of_connection(name) && *name != header::CONTENT_LENGTH;
        if withheld || WITHHELD.contains(&name.as_str()) || hides(name, value.as_bytes()) {
            return None;
        }
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    headers.iter().filter_map(visible).collect()
}
