//! Three workers over an object store that does its worst, from a seed. With all rules nothing is
//! found; without any one of them, the invariant that it protects is seen to fail.
//!
//! `MILLSTREAM_SIM_SEEDS` sets the number of seeds, `MILLSTREAM_SIM_SEED` runs a single one.

mod mishaps;
mod operations;
mod requests;
mod store;
mod truth;
mod without;
mod worker;
mod world;

use std::collections::BTreeMap;

use millstream_log::Rules;
use world::{Failure, World};

const SEEDS: u64 = 600;

/// Runs one seed; a failure comes with the end of the trace.
fn run(seed: u64, rules: Rules) -> (World, Result<(), Failure>) {
    let mut world = World::new(seed, rules);
    let result = world.run();
    (world, result)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn nothing_is_found_with_all_rules() {
    let seeds = match number("MILLSTREAM_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MILLSTREAM_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let all = seeds.end - seeds.start > 1;
    let mut happened: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in seeds {
        let (world, result) = run(seed, Rules::all());
        if let Err(failure) = result {
            let tail = world.trace.len().saturating_sub(80);
            panic!("seed {seed}: {failure:?}\n{}", world.trace[tail..].join("\n"));
        }
        for (what, count) in world.happened.0 {
            *happened.entry(what).or_default() += count;
        }
    }
    println!("{happened:#?}");
    let expected = [
        "accepted",
        "rejected",
        "fenced",
        "truncation",
        "cleaning",
        "kill",
        "zombie",
        "late create",
        "lost reply",
        "conflict with nothing there",
        "put at a truncated slot",
        "retention",
        "wrong cluster",
        "backup",
        "halt",
    ];
    for what in expected {
        assert!(!all || happened.contains_key(what), "`{what}` never happened: the simulation is too tame");
    }
}

#[test]
fn one_seed_gives_one_trace() {
    for seed in 0..5 {
        let (first, _) = run(seed, Rules::all());
        let (second, _) = run(seed, Rules::all());
        assert_eq!(first.trace, second.trace, "seed {seed}");
    }
}
