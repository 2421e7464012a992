//! The short form of the crash suite: thirteen rounds with two workers, eight on an S3 server and five on a
//! folder, with every kind of fault. `make crash` is the long form.

use millstream_crash::plan::Shape;
use millstream_crash::{Options, run};

const ROUNDS: u64 = 13;

#[test]
fn every_record_is_there_once_after_thirteen_rounds() {
    let shape = Shape { workers: 2, rounds_per_lake: 8, session_timeout_ms: 3000 };
    let keep = std::env::temp_dir().join(format!("millstream-crash-{}", std::process::id()));
    let options = Options { seed: 1, rounds: ROUNDS, shape, keep };
    let tally = run(&options, &mut |line| println!("{line}")).unwrap();
    assert!(tally.is_good(), "{}\n{tally}", tally.violation.as_deref().unwrap_or_default());
    assert_eq!(tally.rounds, ROUNDS);
    for kind in ["kill", "terminate", "suspend", "broker", "disk-full", "clock", "lost-answer"] {
        assert!(tally.faults.contains_key(kind), "no {kind} in {tally}");
    }
}
