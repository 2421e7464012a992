//! `millstream run`: runs the streams until a signal, a time or the end of the input.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use millstream_engine::EngineSettings;
use millstream_http::Server;
use millstream_http::admin::AdminApi;
use millstream_model::SystemClock;
use millstream_pipeline::admin::Admin;
use millstream_pipeline::config::{Config, ConfigError};
use millstream_pipeline::reload::ConfigSource;
use millstream_pipeline::run::{self, Progress, Until};
use millstream_pipeline::source::Departure;
use millstream_pipeline::start;
use millstream_pipeline::telemetry::Telemetry;

use crate::progress::ProgressLine;
use crate::summary::Summary;
use crate::{args, out};

/// Runs; prints a summary to standard output at the end.
pub async fn run(args: args::Run) -> anyhow::Result<()> {
    let (file, lake) = (args.config.config, args.lake);
    let configuration = ConfigSource {
        file: file.clone(),
        read: Arc::new(move || {
            Ok::<_, ConfigError>(super::with_lake(Config::read(&file, std::env::vars())?, lake.as_deref()))
        }),
    };
    let config = (configuration.read)()?;
    let engine = super::engine(&config)?;
    // Checked before anything outside this process is touched.
    let unusable = match start::plan(&config, &engine) {
        // If the log knows a version of the step, that one runs.
        Err(error) if error.is_of_plugin_file() => match super::log_if_any(&config.lake_url).await? {
            Some(log) if !log.state().plugins().is_empty() => Some(error),
            _ => return Err(error.into()),
        },
        planned => planned.map(|_| None)?,
    };
    let clock = Arc::new(SystemClock);
    let telemetry = Arc::new(Telemetry::new(&config.worker.name, clock.clone()));
    let (admin, requests) = Admin::channel();
    let address = args.listen.or(config.http);
    let api = admin_api(&config, address, admin)?;
    let server = match address {
        Some(address) => Some(Server::start(address, telemetry.clone(), api).await?),
        None => None,
    };
    if let Some(server) = &server {
        tracing::info!("serving http://{}", server.address());
    }
    let until = Until { elapsed: args.limit, caught_up: args.until_caught_up };
    let mut line = args.progress.then(ProgressLine::new);
    let mut summary = Summary::default();
    let observe = |progress: Progress<'_>| {
        summary.observe(&progress);
        if let Some(line) = &mut line {
            line.show(&progress);
        }
    };
    let result = run::run(
        &config,
        Some(configuration),
        &engine,
        clock,
        telemetry,
        requests,
        until,
        stopped()?,
        observe,
    )
    .await;
    if let Some(server) = server {
        server.stop().await;
    }
    match (result, unusable) {
        (Err(error), Some(unusable)) if error.is_of_plugin_file() => return Err(unusable.into()),
        (result, _) => result?,
    }
    if args.json { out::line(summary.json()) } else { out::text(summary) }
}

/// What the admin API is served with, if it is to be.
fn admin_api(config: &Config, address: Option<SocketAddr>, admin: Admin) -> anyhow::Result<Option<AdminApi>> {
    let Some(settings) = &config.admin else { return Ok(None) };
    match address {
        Some(address) => settings.check_address(address)?,
        None => tracing::warn!("[admin] has no effect: nothing listens; add http.listen or --listen"),
    }
    let plugin_bytes_max = EngineSettings::default().plugin_bytes_max;
    Ok(Some(AdminApi { admin, token: settings.token.clone(), remote: settings.remote, plugin_bytes_max }))
}

/// Resolves at the first SIGINT or SIGTERM: who is interrupted by a person leaves for good, who is ended by a
/// supervisor will be started again. A second one ends the process at once: nothing is lost by
/// that, the next run begins at the last checkpoint.
fn stopped() -> anyhow::Result<impl Future<Output = Departure>> {
    use tokio::signal::unix::{SignalKind, signal};
    let context = "cannot listen for signals";
    let mut interrupt = signal(SignalKind::interrupt()).context(context)?;
    let mut terminate = signal(SignalKind::terminate()).context(context)?;
    Ok(async move {
        let departure = tokio::select! {
            _ = interrupt.recv() => Departure::ForGood,
            _ = terminate.recv() => Departure::Restart,
        };
        tracing::info!("stopping: committing what was read; a second signal ends at once");
        tokio::spawn(async move {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            std::process::exit(130);
        });
        departure
    })
}
