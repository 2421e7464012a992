//! The admin API, below `/api`: what steps run and ran, and requests to change that. A request passes the
//! [`guard`], is checked against what there is, and goes over [`Admin`] to the run, whose answer becomes the
//! answer. It is described by what the handlers are annotated with ([`description`]). Nothing here reads or
//! writes the log.

mod description;
mod guard;
pub mod model;
mod problem;
mod request;
mod resolve;
mod shadows;
mod steps;
mod streams;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use millstream_pipeline::admin::{Admin, AdminError, Reply, Request};
use millstream_pipeline::config::Token;
use millstream_pipeline::telemetry::Telemetry;
use tokio::sync::Semaphore;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

pub use description::description;
use guard::Gate;
pub use problem::Problem;

/// Longest body of a request, but for a plugin.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Plugins that are received at a time; each is held in memory.
const UPLOADS_MAX: usize = 2;

/// What it takes to serve the API.
#[derive(Debug)]
pub struct AdminApi {
    /// The way to the run.
    pub admin: Admin,
    /// What whoever asks has to present.
    pub token: Token,
    /// Whether it is served under any name, rather than under those of this machine alone.
    pub remote: bool,
    /// Largest plugin that is taken.
    pub plugin_bytes_max: usize,
}

/// What the handlers know.
#[derive(Debug)]
struct Api {
    telemetry: Arc<Telemetry>,
    admin: Admin,
    uploads: Semaphore,
    description: Bytes,
}

impl Api {
    /// Asks the run.
    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, AdminError> {
        self.admin.ask(request).await
    }
}

/// What is below `/api`.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(
    telemetry: Arc<Telemetry>,
    api: Option<AdminApi>,
) -> Router<S> {
    let Some(AdminApi { admin, token, remote, plugin_bytes_max }) = api else {
        return Router::new().fallback(off);
    };
    let (router, described) = routes(plugin_bytes_max).split_for_parts();
    let description = description::text(described).into();
    let api = Api { telemetry, admin, uploads: Semaphore::new(UPLOADS_MAX), description };
    router
        .fallback(unknown)
        .method_not_allowed_fallback(method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::new(Gate { token, remote }), guard::guard))
        .with_state(Arc::new(api))
}

/// The routes with their description.
fn routes(plugin_bytes_max: usize) -> OpenApiRouter<Arc<Api>> {
    let upload = routes!(shadows::begin).layer(DefaultBodyLimit::max(plugin_bytes_max));
    OpenApiRouter::default()
        .routes(routes!(description::openapi))
        .routes(routes!(steps::list))
        .routes(routes!(steps::show))
        .routes(routes!(steps::approve))
        .routes(routes!(steps::promote))
        .routes(routes!(steps::rollback))
        .routes(routes!(steps::dismiss))
        .routes(routes!(streams::list))
        .routes(routes!(streams::show))
        .routes(routes!(streams::pause))
        .routes(routes!(streams::resume))
        .routes(routes!(shadows::list))
        .routes(routes!(shadows::show))
        .routes(upload)
}

async fn off() -> Problem {
    let detail = "the admin API is off; to turn it on, let [admin] token_file in the configuration name a file \
                  with a token of 16 characters or more (or set MILLSTREAM_ADMIN__TOKEN), and start the run again";
    Problem::new(StatusCode::NOT_FOUND, detail)
}

async fn unknown() -> Problem {
    let detail = "no such path; /api/v1/openapi.json describes those that there are";
    Problem::new(StatusCode::NOT_FOUND, detail)
}

async fn method() -> Problem {
    let detail = "not a method of this path; the header Allow names those that are";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
