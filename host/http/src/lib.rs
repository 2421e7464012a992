//! What a running pipeline shows over HTTP: whether it is alive and ready, metrics for Prometheus, its
//! status, and rows as they pass. It reads [`Telemetry`] and taps; the data path does not know of it. Nothing
//! secret is served, and nothing but [`admin`] changes a run.

pub mod admin;
mod connection;
mod health;
mod metrics;
mod tap;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use millstream_pipeline::telemetry::Telemetry;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use admin::AdminApi;
use connection::Limits;
pub use metrics::Metrics;

/// How long requests that are being answered may take when the server ends.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// What clients may take: far less than the file descriptors that a process usually has.
const LIMITS: Limits =
    Limits { connections: 256, head: Duration::from_secs(10), stall: Duration::from_secs(30) };

/// A server that cannot begin.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot serve HTTP at {address}: {source}; choose another address with http.listen or --listen (port 0 \
     takes a free one), or end what listens there"
)]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// What the system says.
    pub source: std::io::Error,
}

/// A server that is running.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    telemetry: Arc<Telemetry>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Server {
    /// Begins to serve `telemetry` at `address`, and the admin API if there is one.
    ///
    /// # Errors
    /// If the address is taken or not ours.
    pub async fn start(
        address: SocketAddr,
        telemetry: Arc<Telemetry>,
        admin: Option<AdminApi>,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let routes = routes(telemetry.clone(), admin);
        let serving = tokio::spawn(async move {
            let stopped = async move { drop(stopped.await) };
            connection::serve(listener, routes, LIMITS, stopped).await;
        });
        Ok(Self { address, telemetry, stop, serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all taps and the server; answers on their way get a second.
    pub async fn stop(mut self) {
        self.telemetry.end_taps();
        // A server that has ended does not listen for it.
        let _ = self.stop.send(());
        if tokio::time::timeout(LAST_ANSWERS, &mut self.serving).await.is_err() {
            self.serving.abort();
        }
    }
}

fn routes(telemetry: Arc<Telemetry>, admin: Option<AdminApi>) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/status", get(health::status))
        .route("/metrics", get(metrics::metrics).with_state(Arc::new(Metrics::new(telemetry.clone()))))
        .route("/tap", get(tap::tap))
        .nest("/api", admin::router(telemetry.clone(), admin))
        .fallback(health::unknown)
        .with_state(telemetry)
}
