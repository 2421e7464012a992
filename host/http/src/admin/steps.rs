//! Steps: what they run, and which version they shall run.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use millstream_model::Digest;
use millstream_pipeline::admin::{Request, StepId};

use super::Api;
use super::model::{Changed, Chosen, Former, Step, StepPath, Steps};
use super::problem::Problem;
use super::request::{Body, Named, NoBody, Nothing, OptionalBody, Parameters};
use super::resolve::resolve;
use super::view::View;

/// What all steps run, what that did in this process, and what they ran before.
#[utoipa::path(get, path = "/v1/steps", tag = "steps", operation_id = "list_steps", responses((status = 200, body = Steps, description = "All steps.")))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Steps>, Problem> {
    let view = View::new(&api.telemetry)?;
    Ok(Json(Steps { steps: view.steps(&api.telemetry) }))
}

/// What a step runs, what that did in this process, and what it ran before.
#[utoipa::path(get, path = "/v1/streams/{stream}/steps/{step}", tag = "steps", operation_id = "show_step", params(StepPath), responses((status = 200, body = Step, description = "The step.")))]
pub async fn show(
    State(api): State<Arc<Api>>,
    Named(at): Named<StepPath>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Step>, Problem> {
    api.step(&at.id()).map(Json)
}

/// Let a candidate that asks for more than the running version had go on.
#[utoipa::path(post, path = "/v1/streams/{stream}/steps/{step}/approve", tag = "steps", operation_id = "approve", params(StepPath), request_body = Chosen, responses((status = 204, description = "It goes on as the step's policy says.")))]
pub async fn approve(
    State(api): State<Arc<Api>>,
    Named(at): Named<StepPath>,
    Parameters(Nothing {}): Parameters<Nothing>,
    Body(chosen): Body<Chosen>,
) -> Result<StatusCode, Problem> {
    let (id, digest) = api.version(&at, &chosen.digest)?;
    api.ask(|reply| Request::Approve(id, digest, reply)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let a step run a version from now on: its candidate, or one that the log knows.
#[utoipa::path(post, path = "/v1/streams/{stream}/steps/{step}/promote", tag = "steps", operation_id = "promote", params(StepPath), request_body = Chosen, responses((status = 200, body = Changed, description = "It stands in the log.")))]
pub async fn promote(
    State(api): State<Arc<Api>>,
    Named(at): Named<StepPath>,
    Parameters(Nothing {}): Parameters<Nothing>,
    Body(chosen): Body<Chosen>,
) -> Result<Json<Changed>, Problem> {
    let (id, digest) = api.version(&at, &chosen.digest)?;
    let changed = api.ask(|reply| Request::Promote(id, digest, reply)).await?;
    Ok(Json(changed.into()))
}

/// Let a step run the version before the present one, or another former one.
#[utoipa::path(post, path = "/v1/streams/{stream}/steps/{step}/rollback", tag = "steps", operation_id = "roll_back", params(StepPath), request_body = Option<Former>, responses((status = 200, body = Changed, description = "It stands in the log.")))]
pub async fn rollback(
    State(api): State<Arc<Api>>,
    Named(at): Named<StepPath>,
    Parameters(Nothing {}): Parameters<Nothing>,
    OptionalBody(former): OptionalBody<Former>,
) -> Result<Json<Changed>, Problem> {
    let step = api.step(&at.id())?;
    let digest = former.digest.map(|digits| resolve(&step, &digits)).transpose()?;
    let changed = api.ask(|reply| Request::RollBack(at.id(), digest, reply)).await?;
    Ok(Json(changed.into()))
}

/// Forget the candidate of a step.
#[utoipa::path(post, path = "/v1/streams/{stream}/steps/{step}/dismiss", tag = "steps", operation_id = "dismiss", params(StepPath), responses((status = 204, description = "It is forgotten.")))]
pub async fn dismiss(
    State(api): State<Arc<Api>>,
    Named(at): Named<StepPath>,
    Parameters(Nothing {}): Parameters<Nothing>,
    NoBody: NoBody,
) -> Result<StatusCode, Problem> {
    api.step(&at.id())?;
    api.ask(|reply| Request::Dismiss(at.id(), reply)).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl StepPath {
    /// The step.
    pub fn id(&self) -> StepId {
        StepId::new(self.stream.as_str(), self.step.as_str())
    }
}

impl Api {
    /// The step, which has to be there.
    pub(super) fn step(&self, id: &StepId) -> Result<Step, Problem> {
        Ok(View::new(&self.telemetry)?.step(&self.telemetry, id)?)
    }

    /// The step and the version of it whose digest begins with `digits`.
    pub(super) fn version(&self, at: &StepPath, digits: &str) -> Result<(StepId, Digest), Problem> {
        let digest = resolve(&self.step(&at.id())?, digits)?;
        Ok((at.id(), digest))
    }
}
