//! The simulation in its long form, `make sim`: `SEEDS` seeds from `SEED` on, and one line about them. A seed
//! that fails is told with the end of its trace.

mod mishaps;
mod operations;
mod reader;
mod requests;
mod rewrite;
mod seeds;
mod source;
mod store;
mod truth;
mod worker;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    let (seed, seeds) = match (number("SEED", 0), number("SEEDS", 10_000)) {
        (Ok(seed), Ok(seeds)) => (seed, seeds),
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match seeds::run_all(seed..seed.saturating_add(seeds)) {
        Ok(total) => {
            println!("{total}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn number(variable: &str, default: u64) -> Result<u64, String> {
    match std::env::var(variable) {
        Ok(text) if !text.is_empty() => {
            text.parse().map_err(|_| format!("{variable}={text} is not a number"))
        }
        _ => Ok(default),
    }
}
