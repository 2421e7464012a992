//! `/healthz`: the process lives. `/readyz`: it does its work, or why not. `/status`: everything that
//! `millstream top` shows.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use millstream_pipeline::telemetry::{Readiness, Status, Telemetry};
use serde_json::json;

/// Answers as long as the process can answer.
pub async fn healthz(State(telemetry): State<Arc<Telemetry>>) -> impl IntoResponse {
    Json(json!({ "alive": true, "uptime_seconds": telemetry.uptime().as_secs_f64() }))
}

/// 200 if the process does its work, else 503; the body says why.
pub async fn readyz(State(telemetry): State<Arc<Telemetry>>) -> (StatusCode, Json<Readiness>) {
    let readiness = telemetry.readiness();
    let code = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(readiness))
}

/// The state of the process.
pub async fn status(State(telemetry): State<Arc<Telemetry>>) -> Json<Status> {
    Json(telemetry.status())
}

/// There is nothing at this path.
pub async fn unknown() -> impl IntoResponse {
    let error = "no such path; there are /healthz, /readyz, /metrics, /status, /tap and /api/v1";
    (StatusCode::NOT_FOUND, Json(json!({ "error": error })))
}
