//! What a request brings, taken strictly: an unknown parameter or field, a second one of a name, a body where
//! none belongs, each is answered with what is wrong rather than passed over.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// Media type of a WebAssembly file.
pub const WASM: &str = "application/wasm";
/// Media type of everything else.
const JSON: &str = "application/json";

/// Names in the path.
pub struct Named<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(names)| Self(names)).map_err(|error| Problem::malformed(error.body_text()))
    }
}

/// Parameters behind the `?`.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, state).await;
        query.map(|Query(parameters)| Self(parameters)).map_err(|error| Problem::malformed(error.body_text()))
    }
}

/// That there are no parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// A JSON object as body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (kind, bytes) = received(request, state).await?;
        match kind {
            Kind::Json => json(&bytes).map(Self),
            kind => Err(unsupported(kind, JSON)),
        }
    }
}

/// A JSON object as body, or none.
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (kind, bytes) = received(request, state).await?;
        match kind {
            _ if bytes.is_empty() => Ok(Self(T::default())),
            Kind::Json => json::<Option<T>>(&bytes).map(Option::unwrap_or_default).map(Self),
            kind => Err(unsupported(kind, JSON)),
        }
    }
}

/// That there is no body.
pub struct NoBody;

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match received(request, state).await? {
            (_, bytes) if bytes.is_empty() => Ok(Self),
            _ => Err(Problem::malformed("there is a body, and nothing is known of one here; leave it out")),
        }
    }
}

/// A WebAssembly file, or a JSON object that says something about one.
pub enum Plugin<T> {
    /// The file.
    Bytes(Bytes),
    /// The object.
    Json(T),
}

impl<T: DeserializeOwned> Plugin<T> {
    /// Receives either.
    pub async fn received(request: Request) -> Result<Self, Problem> {
        let (kind, bytes) = received(request, &()).await?;
        match kind {
            Kind::Json => json(&bytes).map(Self::Json),
            Kind::Wasm => Ok(Self::Bytes(bytes)),
            kind => Err(unsupported(kind, "application/wasm or application/json")),
        }
    }
}

/// What a body says that it is.
enum Kind {
    Json,
    Wasm,
    Unsaid,
    Other(String),
}

async fn received<S: Send + Sync>(request: Request, state: &S) -> Result<(Kind, Bytes), Problem> {
    let kind = kind(request.headers());
    match Bytes::from_request(request, state).await {
        Ok(bytes) => Ok((kind, bytes)),
        Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is larger than anything that is taken here",
        )),
        Err(error) => Err(Problem::malformed(error.body_text())),
    }
}

fn kind(headers: &HeaderMap) -> Kind {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Kind::Unsaid };
    let value = String::from_utf8_lossy(value.as_bytes());
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        JSON => Kind::Json,
        WASM => Kind::Wasm,
        _ => Kind::Other(essence),
    }
}

fn unsupported(kind: Kind, expected: &str) -> Problem {
    let found = match kind {
        Kind::Json => JSON.to_owned(),
        Kind::Wasm => WASM.to_owned(),
        Kind::Unsaid => "no Content-Type".to_owned(),
        Kind::Other(essence) => format!("Content-Type `{essence}`"),
    };
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("{found}; the body has to be {expected}"))
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem::malformed(format!("the body: {error}")))
}
