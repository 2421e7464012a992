//! What the command line refuses: the message names the flag and says what would be right.

use std::process::Command;

/// Every refusal is exit code 2, before anything is written.
fn check(arguments: &[&str], expect: &[&str]) {
    let out = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream-simulator"));
    let output = command.current_dir(out.path()).args(arguments).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    for part in expect {
        assert!(message.contains(part), "{arguments:?}: no `{part}` in {message}");
    }
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0, "{arguments:?}");
}

#[test]
fn a_target_is_asked_for_and_only_one_taken() {
    check(&[], &["--brokers <HOST:PORT>|--out <DIR>"]);
    check(&["--seed-compatible"], &["--brokers <HOST:PORT>|--out <DIR>"]);
    check(&["--out", "x", "--brokers", "y:1"], &["'--out <DIR>' cannot be used with '--brokers"]);
}

#[test]
fn bad_values_are_told_with_the_remedy() {
    let city = |arguments: &[&str], expect: &[&str]| check(&[&["--out", "x"], arguments].concat(), expect);
    city(&["--vehicles", "many"], &["--vehicles <N>", "invalid digit"]);
    city(&["--vehicles", "2000000"], &["--vehicles <N>", "1000000"]);
    city(&["--cameras", "-1"], &["--cameras <N>", "-1 is not in 0..=1000000"]);
    city(&["--route", "paris"], &["--route <ROUTE>", "london-birmingham, san-francisco-dublin"]);
    city(&["--incidents", "501"], &["--incidents <PER-HOUR>", "from 0 to 500"]);
    city(&["--interval", "0"], &["--interval <SECONDS>", "seconds from 0.001"]);
    city(&["--stream-rate", "inf"], &["--stream-rate <N>", "per second from 0.001"]);
    city(&["--rate", "0"], &["--rate <N>", "messages per second between 0.001 and 10000000"]);
    city(&["--for", "5"], &["--for <TIME>", "such as 30s"]);
    city(&["--virtual", "1d"], &["--virtual <TIME>", "ms, s, m or h"]);
    city(&["--events", "0"], &["--events <N>", "0 is not in 1.."]);
    city(&["--start-time", "yesterday"], &["--start-time <TIME>", "such as 2026-01-01T08:00:00Z"]);
    city(&["--faults", "some"], &["--faults <WHICH>", "off, default"]);
    city(&["--fault", "late"], &["--fault <KIND=RATE>", "such as late=0.01"]);
    city(&["--fault", "slow=0.1"], &["--fault <KIND=RATE>", "expected one of late, duplicate, out_of_order"]);
    city(&["--fault", "late=0.01,malformed=2"], &["--fault <KIND=RATE>", "from 0 to 1 after `malformed=`"]);
    city(&["--partitions", "0"], &["--partitions <N>", "0 is not in 1.."]);
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    let city = |arguments: &[&str], expect: &[&str]| check(&[&["--out", "x"], arguments].concat(), expect);
    city(&["--rate", "1", "--as-fast-as-possible"], &["'--rate <N>' cannot be used with"]);
    city(&["--interval", "1", "--stream-rate", "5"], &["'--interval <SECONDS>' cannot be used with"]);
    city(&["--seed-compatible", "--vehicles", "5"], &["'--seed-compatible' cannot be used with"]);
    city(&["--seed-compatible", "--virtual", "1h"], &["'--seed-compatible' cannot be used with"]);
    city(&["--fault", "late=0.7,malformed=0.7"], &["faults add up to 1.4", "at most 1"]);
    city(&["--fault", "late=1"], &["faults add up to 1.0212, expected at most 1"]);
    city(&["--route", "london-birmingham", "--route", "london-birmingham"], &["is given twice"]);
    city(&["--vehicles", "0", "--cameras", "0", "--stations", "0"], &["expected at least 1"]);
    check(&["--seed", "1", "replay"], &["'replay' cannot be used with '--seed <N>'"]);
    check(&["replay", "--from", "x", "--out", "y"], &["--rate <N>|--as-fast-as-possible"]);
}
