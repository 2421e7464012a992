//! The API's own description, as OpenAPI has it: what the handlers are annotated with, and beside that what
//! holds for every one of them, the token and the problems that they may answer with.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;
use utoipa::{PartialSchema as _, ToSchema as _};

use super::Api;
use super::problem::{PROBLEM_JSON, Problem};
use super::request::{Nothing, Parameters};

const ABOUT: &str = "Says what steps run and ran, and lets them run something else. Every request carries the token of the \
run as `Authorization: Bearer TOKEN`. Whatever is not done is answered with a problem (RFC 9457), whose `detail` says what to do.";

/// Problems that any request may meet.
const ALWAYS: [(&str, &str); 6] = [
    ("400", "A parameter, a name or the body is malformed."),
    ("401", "There is no token, or another one."),
    ("404", "There is no such stream, step, version, candidate or shadow."),
    ("421", "The name of the machine in the request is not one that it is served under."),
    ("503", "The run is starting or ending."),
    ("504", "The run has not answered in time."),
];
/// Problems that a request for a change may meet besides.
const OF_CHANGES: [(&str, &str); 4] = [
    ("409", "It cannot be done now."),
    ("413", "The body is too large."),
    ("415", "The body is of another kind."),
    ("422", "What was sent is wrong, as a file that is no plugin."),
];

/// This description.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "description", operation_id = "describe", responses((status = 200, body = Object, description = "An OpenAPI document.")))]
pub async fn openapi(
    State(api): State<Arc<Api>>,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], api.description.clone())
}

/// The description of the API, as it is served.
pub fn description() -> String {
    let (_, described) = super::routes(0).split_for_parts();
    text(described)
}

/// The whole description as text, of what the routes say.
pub(super) fn text(routes: OpenApi) -> String {
    let routes = OpenApi::default().nest("/api", routes);
    let mut document = serde_json::to_value(routes).expect("a description is made of texts and numbers");
    document["info"] = json!({
        "title": "Millstream", "description": ABOUT, "version": "1", "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    });
    document["security"] = json!([{ "token": [] }]);
    document["components"]["securitySchemes"] = json!({ "token": { "type": "http", "scheme": "bearer" } });
    document["components"]["schemas"][&*Problem::name()] = json!(Problem::schema());
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (method, operation) in paths.flat_map(|(_, path)| path.as_object_mut().into_iter().flatten()) {
        let changes = if method == "get" { &[][..] } else { &OF_CHANGES };
        for (status, about) in ALWAYS.iter().chain(changes) {
            operation["responses"][status] = problem(about);
        }
        operation["responses"]["401"]["headers"] =
            json!({ "WWW-Authenticate": { "required": true, "schema": { "type": "string" } } });
    }
    format!("{document:#}\n")
}

fn problem(about: &str) -> Value {
    let schema = json!({ "$ref": format!("#/components/schemas/{}", Problem::name()) });
    json!({ "description": about, "content": { PROBLEM_JSON: { "schema": schema } } })
}
