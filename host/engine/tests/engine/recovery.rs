//! Failures cost the rows that caused them and no others, and total work is bounded.

use std::time::Duration;

use millstream_engine::{Cause, Limits, StepOutput};

use crate::{batch, numbers, step};

fn quick() -> Limits {
    Limits { deadline: Duration::from_millis(100), output_bytes: 1 << 20, ..Limits::default() }
}

/// Three guilty rows among twenty: they alone are rejected, the others come out doubled and in order.
fn check(mode: &str, cause: Cause, reason: &str) {
    let input: Vec<i64> = (0..20).map(|n| if [3, 4, 17].contains(&n) { -n } else { n }).collect();
    let output = step(mode, quick()).instance().process(&batch(&input));
    let expected: Vec<i64> = input.iter().filter(|n| **n >= 0).map(|n| n * 2).collect();
    assert_eq!(numbers(&output.passed, "n"), expected, "{mode}");
    assert_eq!(output.rejected.iter().map(|row| row.offset).collect::<Vec<_>>(), [103, 104, 117], "{mode}");
    for row in &output.rejected {
        assert_eq!(row.cause, cause, "{mode}");
        assert!(row.reason.starts_with(reason), "{mode}: {}", row.reason);
    }
    assert_eq!(
        output.metrics.counters.get("rows"),
        Some(&17),
        "{mode}: effects of failed calls count for nothing"
    );
    assert_eq!(output.circuit, None);
}

#[test]
fn guilty_rows_are_found() {
    check("traps", Cause::Trap, "plugin `misbehave` trapped: unreachable");
    check("memory", Cause::Memory, "plugin `misbehave` needs more than 64 MiB");
    check("too-much-output", Cause::OutputCap, "plugin `misbehave` stages more than 1 MiB in one call");
    check("huge-call", Cause::OutputCap, "plugin `misbehave` passes more than its output cap in one call");
    check("bad-batch", Cause::BadBatch, &"negative".repeat(32));
}

#[test]
fn a_row_that_runs_too_long_is_blamed_after_a_second_chance() {
    let output = step("loops", quick()).instance().process(&batch(&[1, 2, -3, 4]));
    assert_eq!(numbers(&output.passed, "n"), [2, 4, 8]);
    assert_eq!(output.rejected[0].cause, Cause::Deadline);
    let reason = &output.rejected[0].reason;
    assert!(reason.starts_with("plugin `misbehave` ran longer than 1 s at misbehave/src/l"), "{reason}");
}

fn assert_all_rejected_by_circuit(output: &StepOutput, rows: usize, why: &str) {
    assert_eq!((output.passed.num_rows(), output.rejected.len()), (0, rows));
    for row in &output.rejected {
        assert_eq!(row.cause, Cause::CircuitOpen);
        assert!(row.reason.starts_with("circuit of step `misbehave` is open: "), "{}", row.reason);
        assert!(row.reason.contains(why), "{}", row.reason);
    }
}

#[test]
fn too_many_overruns_open_the_circuit() {
    let limits = Limits { overruns_per_batch: 2, ..quick() };
    let mut instance = step("loops", limits).instance();
    let output = instance.process(&batch(&[-1; 8]));
    assert_all_rejected_by_circuit(&output, 8, "3 calls of one batch overran their deadline");
    assert!(output.circuit.is_some());
    let next = instance.process(&batch(&[1]));
    assert_all_rejected_by_circuit(&next, 1, "overran their deadline");
    assert_eq!(next.circuit, None, "it was open before");
}

#[test]
fn fatal_opens_the_circuit_for_all_instances() {
    let step = step("fatal", quick());
    let output = step.instance().process(&batch(&[1, -1]));
    assert_all_rejected_by_circuit(&output, 2, "no licence");
    assert_all_rejected_by_circuit(&step.instance().process(&batch(&[1])), 1, "no licence");
}

#[test]
fn a_batch_that_is_recovered_takes_effect_whole_or_not_at_all() {
    let step = step("fatal", quick());
    let mut instance = step.instance();
    let good = batch(&[1, 2]);
    assert_eq!(numbers(&instance.recover(&good).unwrap().passed, "n"), [2, 4]);
    assert_eq!(&*instance.recover(&batch(&[1, 2, -1])).unwrap_err().reason, "no licence");
    assert_eq!(&*step.instance().recover(&good).unwrap_err().reason, "no licence", "open for all instances");
    let trouble = step.instance().attempt(&good, Duration::from_secs(1)).unwrap_err();
    assert_eq!((trouble.cause, trouble.reason.as_str()), (Cause::CircuitOpen, "no licence"));
    step.close_circuit();
    assert_eq!(numbers(&instance.recover(&good).unwrap().passed, "n"), [2, 4]);
    assert!(step.open_circuit(&"too many".into()), "others may open it");
    assert!(!step.open_circuit(&"again".into()));
    assert_eq!(&*instance.recover(&good).unwrap_err().reason, "too many");
}

#[test]
fn an_attempt_blames_nobody() {
    let step = step("loops", Limits::default());
    let mut instance = step.instance();
    let hold = Duration::from_millis(50);
    assert_eq!(instance.attempt(&batch(&[1, -1]), hold).unwrap_err().cause, Cause::Deadline);
    instance.warm().unwrap();
    assert_eq!(numbers(&instance.attempt(&batch(&[1]), hold).unwrap().passed, "n"), [2]);
    assert_eq!(step.circuit(), None);
}

#[test]
fn retries_are_bounded() {
    let output = step("retry-once", quick()).instance().process(&batch(&[1, 2]));
    assert_eq!(numbers(&output.passed, "n"), [2, 4]);
    let output = step("retry", quick()).instance().process(&batch(&[1, 2]));
    assert_eq!(output.passed.num_rows(), 0);
    assert!(
        output.rejected.iter().all(|row| row.cause == Cause::BadBatch && row.reason.as_ref() == "try later")
    );
}
