//! What is wrong with a request, as RFC 9457 has it.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use millstream_pipeline::admin::AdminError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request was not done (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The status code in words.
    #[schema(example = "Not Found")]
    pub title: String,
    /// The status code.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    pub status: u16,
    /// What is wrong, and what to do about it.
    #[schema(example = "no step `clean` in stream `vehicle`; it has: cleanse")]
    pub detail: String,
}

impl Problem {
    /// A problem of this status.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        Self { title, status: status.as_u16(), detail: detail.into() }
    }

    /// Something in the request that can never be right.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        let status = match &error {
            AdminError::Unknown(_) => StatusCode::NOT_FOUND,
            AdminError::Conflict(_) => StatusCode::CONFLICT,
            AdminError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            AdminError::NotRunning(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON))], body).into_response()
    }
}
