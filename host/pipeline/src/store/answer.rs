//! What a store's answer amounts to. `object_store` keeps the status of an answer to itself, so it is read
//! from the text of the error; an answer's document is cut to its code and message.

use std::error::Error as _;

use object_store::Error;

/// What is asked of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Write an object or a part of one.
    Put,
    /// Read an object, its size or ranges of it.
    Get,
    /// List objects, however many pages that takes.
    List,
    /// Delete an object.
    Delete,
    /// Copy an object.
    Copy,
}

impl Operation {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Put, Self::Get, Self::List, Self::Delete, Self::Copy];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Copy => "copy",
        }
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// It was done.
    Done,
    /// There is no such object.
    NotFound,
    /// The object is there already, or is not as the request demands.
    Exists,
    /// The store does not know the caller, or does not let it.
    Denied,
    /// The store wants fewer requests: 429, or 503 with a code that says so.
    Throttled,
    /// No answer, or one that says the server is in trouble: connection lost, time-out, 5xx.
    Unavailable,
    /// Anything else.
    Failed,
}

impl Answer {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Done,
        Self::NotFound,
        Self::Exists,
        Self::Denied,
        Self::Throttled,
        Self::Unavailable,
        Self::Failed,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "ok",
            Self::NotFound => "not_found",
            Self::Exists => "exists",
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
        }
    }

    /// True if the store did its work, whatever the outcome is to who asked.
    pub fn is_served(self) -> bool {
        matches!(self, Self::Done | Self::NotFound | Self::Exists)
    }

    /// What `error` amounts to.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::NotFound { .. } => Self::NotFound,
            Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. } => {
                Self::Exists
            }
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Self::Denied,
            Error::Generic { .. } if is_unknown_caller(error) => Self::Denied,
            Error::Generic { .. } => Self::of_text(&error.to_string()),
            _ => Self::Failed,
        }
    }

    fn of_text(text: &str) -> Self {
        match status(text) {
            Some(429) => Self::Throttled,
            Some(503) if THROTTLING.iter().any(|code| text.contains(code)) => Self::Throttled,
            Some(408 | 500..) => Self::Unavailable,
            // S3 says so with status 400.
            Some(_) if text.contains("RequestTimeout") => Self::Unavailable,
            Some(_) => Self::Failed,
            None if NO_ANSWER.iter().any(|words| text.contains(words)) => Self::Unavailable,
            None => Self::Failed,
        }
    }
}

/// Codes that come with 503 where the store wants fewer requests: S3's, and Azure's.
const THROTTLING: [&str; 4] = ["SlowDown", "ServerBusy", "RequestLimitExceeded", "ThrottlingException"];

/// What errors say that are about a request without an answer.
const NO_ANSWER: [&str; 3] = ["HTTP error", "no answer", "error sending request"];

/// The status that the text of an error names.
fn status(text: &str) -> Option<u16> {
    let (_, from) = text.split_once("non-2xx status code: ")?;
    from.get(..3)?.parse().ok()
}

/// Codes of S3 and Azure that mean "we do not know you (any more)", with status 400, 401 or 403.
const UNKNOWN_CALLER: [&str; 8] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "TokenRefreshRequired",
    "InvalidClientTokenId",
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
];

/// True if the store does not know the caller: wrong, revoked or expired credentials.
pub(crate) fn is_unknown_caller(error: &Error) -> bool {
    if matches!(error, Error::Unauthenticated { .. }) {
        return true;
    }
    let text = error.to_string();
    element(&text, "Code").is_some_and(|code| UNKNOWN_CALLER.contains(&code))
}

/// False for errors that asking again cannot mend.
pub(super) fn may_pass(error: &Error) -> bool {
    match error {
        Error::NotFound { .. }
        | Error::PermissionDenied { .. }
        | Error::Unauthenticated { .. }
        | Error::NotImplemented { .. }
        | Error::NotSupported { .. }
        | Error::InvalidPath { .. }
        | Error::UnknownConfigurationKey { .. } => false,
        Error::Generic { .. } if is_unknown_caller(error) || is_forbidden_http(error) => false,
        // Another 4xx than those that `of` knows is an answer to the request as it is.
        Error::Generic { .. } => {
            Answer::of(error) != Answer::Failed || !matches!(status(&error.to_string()), Some(400..=499))
        }
        _ => true,
    }
}

/// True if the request was never sent, since its address is `http://` and that was not allowed.
fn is_forbidden_http(error: &Error) -> bool {
    innermost(error).contains("URL scheme is not allowed")
}

/// What the store says: code and message of an answer in XML, which may also repeat the whole request; else the
/// error with its innermost cause.
pub(crate) fn in_short(error: &Error) -> String {
    let text = error.to_string();
    if let (Some(code), Some(message)) = (element(&text, "Code"), element(&text, "Message")) {
        // Azure puts the request's id and time on lines of their own.
        return format!("{code}: {}", message.lines().next().unwrap_or_default().trim_end_matches('.'));
    }
    if is_forbidden_http(error) {
        return "the endpoint is http://, which only AWS_ALLOW_HTTP=true allows".to_owned();
    }
    // The address at which a cloud's machines find their own credentials.
    if text.contains("169.254.169.254") || text.contains("metadata.google.internal") {
        return "there are no credentials in the environment, and the machine has none of its own".to_owned();
    }
    let (text, innermost) = (text.trim_end(), innermost(error));
    if text.contains(innermost.trim_end()) { text.to_owned() } else { format!("{text}: {innermost}") }
}

fn innermost(error: &Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, from) = text.split_once(&format!("<{name}>"))?;
    from.split_once(&format!("</{name}>")).map(|(value, _)| value)
}
