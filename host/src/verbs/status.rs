//! `millstream status`: the workers of a lake, what each reads, how far it is, and why something waits.

use millstream_log::LogState;
use millstream_model::{Clock as _, SystemClock};
use millstream_pipeline::config::Config;
use millstream_pipeline::source;

use crate::client::Client;
use crate::status::{Process, Report, Seen, Text};
use crate::{args, exit, out};

/// Looks, and prints what it saw. Ends as [`exit::Told::Waiting`] if something waits.
pub async fn status(args: args::Status) -> anyhow::Result<()> {
    let config = Config::read_without_steps(&args.lake.config.config, std::env::vars())?;
    let config = super::with_lake(config, args.lake.lake.as_deref());
    let streams: Vec<_> =
        config.streams.iter().map(|stream| (stream.name.clone(), stream.topic.clone())).collect();
    let topics: Vec<_> = streams.iter().map(|(_, topic)| topic.clone()).collect();
    let settings = config.source.clone();
    let look = tokio::task::spawn_blocking(move || source::look(&settings, &topics));
    let (looked, log, processes) =
        tokio::join!(look, super::log_if_any(&config.lake_url), processes(&args, &config));
    let log = log?;
    let nothing = LogState::default();
    let seen = Seen {
        lake: &config.lake_url,
        log: log.as_ref().map_or(&nothing, |log| log.state()),
        streams,
        source: looked?.map_err(|error| error.to_string()),
        processes: processes?,
    };
    let report = Report::new(&seen);
    if args.lake.json {
        out::line(serde_json::to_string(&report)?)?;
    } else {
        out::text(Text { report: &report, now_us: SystemClock.now_us() })?;
    }
    for process in &seen.processes {
        if let Err(error) = &process.status {
            tracing::warn!(url = process.url, error, "a process was not looked at");
        }
    }
    if report.all_run() { Ok(()) } else { Err(exit::Told::Waiting.into()) }
}

/// The processes that the command line names; without any, the one that the configuration has listen, if it
/// does.
async fn processes(args: &args::Status, config: &Config) -> anyhow::Result<Vec<Process>> {
    let mut processes = Vec::new();
    for url in &args.url {
        let client = Client::at(url)?;
        let status = client.status().await.map_err(|error| format!("{error:#}"));
        processes.push(Process { url: client.base().to_owned(), status });
    }
    if let (true, Some(address)) = (args.url.is_empty(), config.http.filter(|address| address.port() > 0)) {
        let client = Client::at(&Client::reachable(address))?;
        if let Ok(status) = client.status().await {
            processes.push(Process { url: client.base().to_owned(), status: Ok(status) });
        }
    }
    Ok(processes)
}
