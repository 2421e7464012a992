//! Shadows: a candidate beside the live version of a step, without effect.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use millstream_pipeline::admin::{AdminError, Request, ShadowCandidate, ShadowExtent};
use millstream_pipeline::config;

use super::Api;
use super::model::{Chosen, Extent, Shadow, ShadowPath, Shadows, StepPath, WasmFile};
use super::problem::Problem;
use super::request::{Named, Nothing, Parameters, Plugin};
use super::view;

/// Digits of the number in `for`.
const FOR_DIGITS_MAX: usize = 7;

/// Run a candidate beside the live version of a step, on the same batches and without effect. The body is a
/// `.wasm` file, or names a version that is known already. Either `for` or `last` says how much it sees.
#[utoipa::path(
    post, path = "/v1/streams/{stream}/steps/{step}/shadows", tag = "shadows", operation_id = "begin_shadow",
    params(StepPath, Extent),
    request_body(content((WasmFile = "application/wasm"), (Chosen = "application/json")), description = "The candidate."),
    responses((
        status = 201, body = Shadow, description = "It has begun.",
        headers(("Location" = String, description = "Where it is shown."))
    ))
)]
pub async fn begin(
    State(api): State<Arc<Api>>,
    Named(at): Named<StepPath>,
    Parameters(extent): Parameters<Extent>,
    request: axum::extract::Request,
) -> Result<impl IntoResponse, Problem> {
    let extent = extent.checked()?;
    let step = api.step(&at.id())?;
    // Held until the run has the bytes.
    let _place = api.uploads.acquire().await;
    let candidate = match Plugin::<Chosen>::received(request).await? {
        Plugin::Bytes(bytes) => ShadowCandidate::Bytes(bytes.into()),
        Plugin::Json(chosen) => ShadowCandidate::Digest(super::resolve::resolve(&step, &chosen.digest)?),
    };
    let begun = api.ask(|reply| Request::Shadow(at.id(), candidate, extent, reply)).await?;
    let place = format!("/api/v1/shadows/{}", begun.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(Shadow::from(begun))))
}

/// The shadows that run, and the last ones that did.
#[utoipa::path(get, path = "/v1/shadows", tag = "shadows", operation_id = "list_shadows", responses((status = 200, body = Shadows, description = "The shadows.")))]
pub async fn list(State(api): State<Arc<Api>>, Parameters(Nothing {}): Parameters<Nothing>) -> Json<Shadows> {
    Json(Shadows { shadows: view::shadows(&api.telemetry) })
}

/// Where a shadow stands, and what it has seen.
#[utoipa::path(get, path = "/v1/shadows/{id}", tag = "shadows", operation_id = "show_shadow", params(ShadowPath), responses((status = 200, body = Shadow, description = "The shadow.")))]
pub async fn show(
    State(api): State<Arc<Api>>,
    Named(at): Named<ShadowPath>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Shadow>, Problem> {
    let mut shadows = view::shadows(&api.telemetry).into_iter();
    let unknown = || {
        AdminError::Unknown(format!(
            "no shadow {} in this process; /api/v1/shadows lists those that there are",
            at.id
        ))
    };
    Ok(Json(shadows.find(|shadow| shadow.id == at.id).ok_or_else(unknown)?))
}

impl Extent {
    fn checked(self) -> Result<ShadowExtent, Problem> {
        match (self.r#for.as_deref(), self.last) {
            (Some(time), None) => span(time).map(ShadowExtent::For).ok_or_else(|| {
                Problem::malformed(format!(
                    "`for` is `{time}`; expected a number from 1 of at most {FOR_DIGITS_MAX} digits, and ms, s, m or \
                     h, as in 30s"
                ))
            }),
            (None, Some(0)) => Err(Problem::malformed("`last` is 0; a shadow sees one message at least")),
            (None, Some(messages)) => Ok(ShadowExtent::Last(messages)),
            _ => Err(Problem::malformed("say either `for`, as in for=30s, or `last`, as in last=10000")),
        }
    }
}

/// Just what the description says: a number and a unit.
fn span(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(unit);
    let plain = (1..=FOR_DIGITS_MAX).contains(&digits.len()) && !digits.starts_with('0');
    (plain && ["ms", "s", "m", "h"].contains(&unit)).then(|| config::duration(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shadow_sees_a_time_or_a_number_of_messages() {
        let check = |r#for: Option<&str>, last: Option<u64>, expected: Result<ShadowExtent, &str>| {
            let extent = Extent { r#for: r#for.map(str::to_owned), last };
            match (extent.checked(), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(problem), Err(part)) => assert!(problem.detail.contains(part), "{problem:?}"),
                (found, expected) => panic!("{found:?} is not {expected:?}"),
            }
        };
        let seconds = |seconds| Ok(ShadowExtent::For(Duration::from_secs(seconds)));
        check(Some("30s"), None, seconds(30));
        check(Some("2m"), None, seconds(120));
        check(Some("9999999h"), None, seconds(9_999_999 * 3600));
        check(None, Some(10), Ok(ShadowExtent::Last(10)));
        for wrong in ["", "s", "30", "030s", "0s", "30 s", "1h 3m", "-1s", "10000000s", "1d", "٣s"] {
            check(Some(wrong), None, Err("as in 30s"));
        }
        check(None, Some(0), Err("one message at least"));
        check(None, None, Err("either `for`"));
        check(Some("30s"), Some(10), Err("either `for`"));
    }
}
