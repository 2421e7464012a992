//! One request and its answer: held against the step's list, sent with the credentials for its server, followed
//! where it is redirected, each time as if it were new; read within its room, and without what a plugin may not
//! see.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderName};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use millstream_engine::{OutboundError, Request, Response};

use crate::allow::{Allowed, Rule};
use crate::connect::{Connection, Connector};
use crate::headers;
use crate::pool::Pool;
use crate::target::{Target, denied};

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;
/// Largest body of an answer, in bytes.
const BODY_BYTES: usize = 8 << 20;
/// Server in the figures for requests to none that is granted.
const NO_SERVER: &str = "other";

/// Asks servers for one step.
pub(crate) struct Exchanger {
    allowed: Allowed,
    connector: Arc<Connector>,
    pool: Pool,
}

/// A request that is sent, perhaps to one server after the other.
struct Message {
    method: Method,
    headers: HeaderMap,
    body: Bytes,
}

type Answer = hyper::Response<Incoming>;

impl Exchanger {
    pub(crate) fn new(allowed: Allowed, connector: Arc<Connector>) -> Self {
        Self { allowed, connector, pool: Pool::default() }
    }

    /// The server that a request is for, in figures.
    pub(crate) fn host(&self, request: &Request) -> Arc<str> {
        let target = Target::parse(&request.url).ok();
        let rule = target.and_then(|target| self.allowed.of(&target.origin).cloned());
        rule.map_or_else(|| Arc::from(NO_SERVER), |rule| Arc::clone(&rule.host))
    }

    /// Asks, and takes what comes back from `room`, which the requests of a call share.
    pub(crate) async fn exchange(
        &self,
        request: Request,
        room: &AtomicUsize,
    ) -> Result<Response, OutboundError> {
        let mut target = Target::parse(&request.url)?;
        let mut message = Message::of(request)?;
        let mut rule = self.allowed.rule(&message.method, &target)?;
        for followed in 0..=REDIRECTS_MAX {
            let _slot = rule.slots.acquire().await.map_err(|_| denied("no more requests are sent"))?;
            let (answer, connection) = self.ask(&message, rule, &target).await?;
            let Some(location) = redirection(&answer) else {
                return self.take(answer, connection, &target, room).await;
            };
            let refused = |error| redirect_refused(followed + 1, error);
            target = location
                .and_then(|location| self.without_secret(location))
                .and_then(|location| target.redirected(location))
                .map_err(refused)?;
            message.follow(answer.status());
            rule = self.allowed.rule(&message.method, &target).map_err(refused)?;
        }
        Err(denied(format!("it was redirected more than {REDIRECTS_MAX} times")))
    }

    /// Sends on a connection that waits or on a new one. One that waited may have been closed meanwhile: then
    /// the request goes out once more, since requests are sent at least once anyway.
    async fn ask(
        &self,
        message: &Message,
        rule: &Rule,
        target: &Target,
    ) -> Result<(Answer, Connection), OutboundError> {
        let headers = headers::of_request(&message.headers, rule, target)?;
        if let Some(connection) = self.pool.take(&target.origin)
            && let Ok(answered) = message.send(connection, &headers, target).await
        {
            return Ok(answered);
        }
        let connection = self.connector.connect(target, rule).await?;
        message.send(connection, &headers, target).await
    }

    /// Reads an answer to its end.
    async fn take(
        &self,
        answer: Answer,
        connection: Connection,
        target: &Target,
        room: &AtomicUsize,
    ) -> Result<Response, OutboundError> {
        let (head, body) = answer.into_parts();
        let headers = headers::of_answer(&head.headers, |name, value| self.hides(name, value));
        let size = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        take_room(room, size)?;
        let body = read(body, room).await?;
        if self.holds_secret(&body) {
            return Err(denied(format!("the answer of {} holds a credential of the host's", target.origin)));
        }
        self.pool.put(&target.origin, connection);
        Ok(Response { status: head.status.as_u16(), headers, body: body.into() })
    }

    /// Where a server sends a plugin, if it does not tell a credential by that.
    fn without_secret<'a>(&self, location: &'a str) -> Result<&'a str, OutboundError> {
        match self.holds_secret(location.as_bytes()) {
            true => Err(denied("it holds a credential of the host's")),
            false => Ok(location),
        }
    }

    /// True for headers that hold credentials.
    fn hides(&self, name: &HeaderName, value: &[u8]) -> bool {
        self.allowed.injects(name) || self.holds_secret(value)
    }

    fn holds_secret(&self, bytes: &[u8]) -> bool {
        self.allowed.secrets().any(|secret| bytes.windows(secret.len()).any(|window| window == secret))
    }
}

impl Message {
    fn of(request: Request) -> Result<Self, OutboundError> {
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| denied(format!("`{}` is no method", request.method.escape_debug())))?;
        if method == Method::CONNECT || method == Method::TRACE {
            return Err(denied(format!("{method} is not for plugins")));
        }
        let headers = headers::of_plugin(&request.headers)?;
        Ok(Self { method, headers, body: request.body.into() })
    }

    async fn send(
        &self,
        mut connection: Connection,
        headers: &HeaderMap,
        target: &Target,
    ) -> Result<(Answer, Connection), OutboundError> {
        let uri =
            Uri::try_from(target.path_and_query()).map_err(|_| denied("the url's path is not plain"))?;
        let mut request = hyper::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers.clone();
        let broken = |error: hyper::Error| match error.is_parse_too_large() {
            true => OutboundError::TooLarge,
            false => OutboundError::Failed(format!("{} gave no answer: {error}", target.origin)),
        };
        connection.ready().await.map_err(broken)?;
        let answer = connection.send_request(request).await.map_err(broken)?;
        Ok((answer, connection))
    }

    /// What a redirect makes of it, by the Fetch standard: after 303, and a `POST` after 301 or 302, becomes a
    /// `GET` without a body.
    fn follow(&mut self, status: StatusCode) {
        let becomes_get = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        if !becomes_get {
            return;
        }
        self.method = Method::GET;
        self.body = Bytes::new();
        let about_body = [
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            header::CONTENT_LANGUAGE,
            header::CONTENT_LOCATION,
        ];
        about_body.iter().for_each(|name| drop(self.headers.remove(name)));
    }
}

/// Where an answer redirects to, if it does.
fn redirection(answer: &Answer) -> Option<Result<&str, OutboundError>> {
    let redirects = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = answer.headers().get(header::LOCATION).filter(|_| redirects)?;
    Some(location.to_str().map_err(|_| denied("it is no text")))
}

fn redirect_refused(number: usize, error: OutboundError) -> OutboundError {
    match error {
        OutboundError::Denied(reason) => denied(format!("redirect {number} leads off the list: {reason}")),
        other => other,
    }
}

async fn read(mut body: Incoming, room: &AtomicUsize) -> Result<Bytes, OutboundError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| OutboundError::Failed(format!("the answer broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > BODY_BYTES {
            return Err(OutboundError::TooLarge);
        }
        take_room(room, data.len())?;
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

fn take_room(room: &AtomicUsize, bytes: usize) -> Result<(), OutboundError> {
    let take = |left: usize| left.checked_sub(bytes);
    let taken = room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
    taken.map(|_| ()).map_err(|_| OutboundError::TooLarge)
}
