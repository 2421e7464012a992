//! What the command does by default: the city, or with `--seed-compatible` the recorded producer.

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;

use crate::arguments::SendingArguments;
use crate::pacing::Pace;
use crate::seed_compatible::SeedCompatible;
use crate::send;
use crate::start_time::parse_start_time;
use crate::stop::StopSignals;

/// What is simulated.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Everything follows from this number: another number, another city
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// The city's time when it starts; ISO 8601, in UTC unless it names an offset [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_start_time)]
    start_time: Option<Timestamp>,
    /// End after exactly so many messages in each topic
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    events: Option<u64>,
    /// Send instead what the recorded producer sends, value for value; with seed 42, 100 messages a topic
    #[arg(long)]
    seed_compatible: bool,
    #[command(flatten)]
    sending: SendingArguments,
}

/// Sends until done; an error if any message was not acknowledged.
pub async fn run(arguments: Arguments, stop: StopSignals) -> Result<()> {
    let start = arguments.start_time.unwrap_or_else(Timestamp::now);
    let feed = SeedCompatible::new(arguments.seed, start, arguments.events);
    let pace = arguments.sending.pace().unwrap_or(Pace::Free);
    send::run(feed, &arguments.sending, pace, stop).await
}
