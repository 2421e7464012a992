//! The short form of the swap suite: twelve changes, and a kill in six more. `make swap` is the long form.

use millstream_swap::{Options, run};

#[test]
fn each_row_is_of_the_version_that_the_log_names() {
    let keep = std::env::temp_dir().join(format!("millstream-swap-{}", std::process::id()));
    let options = Options { seed: 1, swaps: 12, kills: 6, rate: 2000, keep };
    let tally = run(&options, &mut |line| println!("{line}")).unwrap();
    assert!(tally.is_good(), "{tally}");
    assert_eq!((tally.swaps.values().sum::<u64>(), tally.kills), (18, 6), "{tally}");
    assert!(tally.holds.count() > 0, "{tally}");
}
