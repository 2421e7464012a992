//! `millstream-simulator`: feeds streams with messages, to Kafka or to files.
//!
//! `recording` reads what is to be sent, `edit` makes each message new, `pacing` says when, `destination` takes
//! it, `progress` tells the user. Nothing here knows the host: the two meet only in a topic or a folder.

mod destination;
mod edit;
mod pacing;
mod progress;
mod recording;
mod replay;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Feeds streams with messages, to Kafka or to files.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Send recorded messages at a steady rate
    Replay(replay::Arguments),
}

/// Exit code 0: everything sent was acknowledged; 1: it was not; 2: the command line makes no sense.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Verb::Replay(arguments) = Cli::parse().verb;
    match replay::run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
