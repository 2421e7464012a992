//! `millstream-crash`: runs the crash suite, or prints what it would do. Exit code 1 if a record is lost or
//! doubled, or if anybody saw or did what must not be.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use millstream_crash::plan::{Plan, Shape};
use millstream_crash::{Options, run};

#[derive(Parser)]
#[command(
    about = "Kills, stops and misleads workers at seeded moments; every record must be in the tables once"
)]
struct Args {
    /// Rounds.
    #[arg(long, env = "ROUNDS", default_value_t = 200)]
    rounds: u64,
    /// Decides every fault and its moment.
    #[arg(long, env = "SEED", default_value_t = 1)]
    seed: u64,
    /// Workers.
    #[arg(long, env = "WORKERS", default_value_t = 3)]
    workers: usize,
    /// Rounds that one lake lives for; every fourth lake lies in a folder, the others on an S3 server.
    #[arg(long, default_value_t = 10)]
    rounds_per_lake: u64,
    /// Session time-out of the consumer group, in milliseconds.
    #[arg(long, default_value_t = 3000)]
    session_timeout_ms: u64,
    /// Print the plan and do nothing.
    #[arg(long)]
    plan: bool,
    /// Where logs and lake of a failed round are kept.
    #[arg(long, default_value = "target/crash")]
    keep: PathBuf,
}

fn main() -> anyhow::Result<ExitCode> {
    let Args { rounds, seed, workers, rounds_per_lake, session_timeout_ms, plan, keep } = Args::parse();
    anyhow::ensure!(workers >= 1 && rounds_per_lake >= 1, "at least one worker and one round for each lake");
    let shape = Shape { workers, rounds_per_lake, session_timeout_ms };
    if plan {
        (0..rounds).for_each(|round| println!("{}", Plan::of(seed, round, shape)));
        return Ok(ExitCode::SUCCESS);
    }
    println!("crash: {rounds} rounds, {workers} workers, seed {seed}");
    let tally = run(&Options { seed, rounds, shape, keep }, &mut |line| println!("{line}"))?;
    if let Some(violation) = &tally.violation {
        println!("FAILED in {violation}");
    }
    println!("{tally}");
    Ok(if tally.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
