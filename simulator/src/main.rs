//! `millstream-simulator`: feeds streams with messages, to Kafka or to files.
//!
//! A `feed` makes messages: `simulate` the city, `seed_compatible` the recorded producer, `replay` a recording.
//! `send` is the loop that takes them, `pacing` says when, `destination` where to, `progress` tells the user.
//! Nothing here knows the host: the two meet only in a topic or a folder.

mod arguments;
mod destination;
mod edit;
mod encode;
mod feed;
mod ids;
mod pacing;
mod progress;
mod recording;
mod replay;
mod seed_compatible;
mod send;
mod simulate;
mod start_time;
mod stop;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use millstream_simulator::city::SettingsError;

use crate::stop::StopSignals;

/// Simulates a city: vehicles, GPS, cameras, weather and incidents, to Kafka or to files.
///
/// Without --rate and --as-fast-as-possible an hour of the city takes an hour; without --events, --virtual and
/// --for it goes on until it is interrupted.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    #[command(flatten)]
    city: simulate::Arguments,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Send recorded messages
    Replay(replay::Arguments),
}

/// Exit code 0: everything sent was acknowledged; 1: it was not; 2: the command line makes no sense.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<SettingsError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    let stop = StopSignals::listen()?;
    match cli.verb {
        Some(Verb::Replay(arguments)) => replay::run(arguments, stop).await,
        None => simulate::run(cli.city, stop).await,
    }
}
