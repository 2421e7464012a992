//! Streams: how far they are, and whether they are read on with.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use millstream_pipeline::admin::Request;

use super::Api;
use super::model::{Noted, Reason, Stream, StreamPath, Streams};
use super::problem::Problem;
use super::request::{Named, NoBody, Nothing, OptionalBody, Parameters};
use super::view::View;

/// Longest reason of a pause, in characters: it stands in the log.
const REASON_CHARACTERS_MAX: usize = 1000;
/// What stands there if no reason is given.
const NO_REASON: &str = "asked for over the admin API";

/// How far all streams are, and which are paused.
#[utoipa::path(get, path = "/v1/streams", tag = "streams", operation_id = "list_streams", responses((status = 200, body = Streams, description = "All streams.")))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Streams>, Problem> {
    Ok(Json(Streams { streams: View::new(&api.telemetry)?.streams().collect() }))
}

/// How far a stream is, and whether it is paused.
#[utoipa::path(get, path = "/v1/streams/{stream}", tag = "streams", operation_id = "show_stream", params(StreamPath), responses((status = 200, body = Stream, description = "The stream.")))]
pub async fn show(
    State(api): State<Arc<Api>>,
    Named(at): Named<StreamPath>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Stream>, Problem> {
    Ok(Json(View::new(&api.telemetry)?.stream(&at.stream)?))
}

/// Let no worker read on with a stream.
#[utoipa::path(post, path = "/v1/streams/{stream}/pause", tag = "streams", operation_id = "pause", params(StreamPath), request_body = Option<Reason>, responses((status = 200, body = Noted, description = "It stands in the log.")))]
pub async fn pause(
    State(api): State<Arc<Api>>,
    Named(at): Named<StreamPath>,
    Parameters(Nothing {}): Parameters<Nothing>,
    OptionalBody(Reason { reason }): OptionalBody<Reason>,
) -> Result<Json<Noted>, Problem> {
    let reason = reason.unwrap_or_else(|| NO_REASON.to_owned());
    if reason.chars().count() > REASON_CHARACTERS_MAX {
        let detail = format!("`reason` has more than {REASON_CHARACTERS_MAX} characters");
        return Err(Problem::malformed(detail));
    }
    View::new(&api.telemetry)?.stream(&at.stream)?;
    let sequence = api.ask(|reply| Request::Pause(at.stream, reason, reply)).await?;
    Ok(Json(Noted { sequence }))
}

/// Let a paused stream go on.
#[utoipa::path(post, path = "/v1/streams/{stream}/resume", tag = "streams", operation_id = "resume", params(StreamPath), responses((status = 200, body = Noted, description = "It stands in the log.")))]
pub async fn resume(
    State(api): State<Arc<Api>>,
    Named(at): Named<StreamPath>,
    Parameters(Nothing {}): Parameters<Nothing>,
    NoBody: NoBody,
) -> Result<Json<Noted>, Problem> {
    View::new(&api.telemetry)?.stream(&at.stream)?;
    let sequence = api.ask(|reply| Request::Resume(at.stream, reply)).await?;
    Ok(Json(Noted { sequence }))
}
