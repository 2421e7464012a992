//! Three workers over an object store that does its worst, from a seed. With all rules nothing is
//! found; without any one of them, the invariant that it protects is seen to fail.
//!
//! `make sim` runs many more seeds (`long.rs`).

mod mishaps;
mod operations;
mod reader;
mod requests;
mod rewrite;
mod seeds;
mod source;
mod store;
mod truth;
mod without;
mod worker;
mod world;

use millstream_log::Rules;
use seeds::{run, run_all};

const SEEDS: u64 = 400;

#[test]
fn nothing_is_found_with_all_rules() {
    let total = run_all(0..SEEDS).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{total}\n{:#?}", total.happened);
    let expected = [
        "accepted",
        "data",
        "idle",
        "merge",
        "replay",
        "replay to nothing",
        "adoption",
        "sweep",
        "swap",
        "rows of the version before",
        "pause",
        "resumption",
        "topic created again",
        "table read",
        "reader too slow",
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
        assert!(total.happened.contains_key(what), "`{what}` never happened: the simulation is too tame");
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
