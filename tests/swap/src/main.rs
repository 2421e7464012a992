//! `millstream-swap`: runs the swap suite, or prints what it would do. Exit code 1 if a record is lost, doubled or
//! of another version than the log names.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use millstream_swap::plan::Swap;
use millstream_swap::{Options, run};

#[derive(Parser)]
#[command(about = "Changes a plugin under load; each row must be of the version that the log names")]
struct Args {
    /// Changes of the plugin.
    #[arg(long, env = "SWAPS", default_value_t = 1000)]
    swaps: u64,
    /// Changes at a step of which a worker is killed, behind the others; a tenth of them if it is not said.
    #[arg(long, env = "KILLS")]
    kills: Option<u64>,
    /// Decides each change, and each kill and its moment.
    #[arg(long, env = "SEED", default_value_t = 1)]
    seed: u64,
    /// Messages a second.
    #[arg(long, env = "RATE", default_value_t = 50_000)]
    rate: u64,
    /// Print the plan and do nothing.
    #[arg(long)]
    plan: bool,
    /// Where logs and lake of a failed run are kept.
    #[arg(long, default_value = "target/swap")]
    keep: PathBuf,
}

fn main() -> anyhow::Result<ExitCode> {
    let Args { swaps, kills, seed, rate, plan, keep } = Args::parse();
    let kills = kills.unwrap_or(swaps / 10);
    if plan {
        (0..swaps + kills).for_each(|number| println!("{}", Swap::of(seed, number, number >= swaps)));
        return Ok(ExitCode::SUCCESS);
    }
    println!("swap: {swaps} changes, {kills} with a kill, {rate} messages a second, seed {seed}");
    let tally = run(&Options { seed, swaps, kills, rate, keep }, &mut |line| println!("{line}"))?;
    println!("{tally}");
    Ok(if tally.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
