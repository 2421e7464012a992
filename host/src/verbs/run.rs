//! `millstream run`: runs the streams until a signal, a time or the end of the input.

use std::sync::Arc;

use anyhow::Context as _;
use millstream_http::Server;
use millstream_model::SystemClock;
use millstream_pipeline::admin::Admin;
use millstream_pipeline::run::{self, Progress, Until};
use millstream_pipeline::source::Departure;
use millstream_pipeline::start;
use millstream_pipeline::telemetry::Telemetry;

use crate::progress::ProgressLine;
use crate::summary::Summary;
use crate::{args, out};

/// Runs; prints a summary to standard output at the end.
pub async fn run(args: args::Run) -> anyhow::Result<()> {
    let config = super::with_lake(super::read_config(&args.config)?, args.lake.as_deref());
    let engine = super::engine(&config)?;
    // Checked before anything outside this process is touched.
    start::plan(&config, &engine)?;
    let clock = Arc::new(SystemClock);
    let telemetry = Arc::new(Telemetry::new(&config.worker.name, clock.clone()));
    let server = match args.listen.or(config.http) {
        Some(address) => Some(Server::start(address, telemetry.clone()).await?),
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
    let (_admin, requests) = Admin::channel();
    let result = run::run(&config, &engine, clock, telemetry, requests, until, stopped()?, observe).await;
    if let Some(server) = server {
        server.stop().await;
    }
    result?;
    if args.json { out::line(summary.json()) } else { out::text(summary) }
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
