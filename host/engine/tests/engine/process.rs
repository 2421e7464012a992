//! What well-behaved plugins do to rows, and the contract breaches that are named.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use millstream_engine::{Cause, Limits, StepOutput};

use crate::{batch, numbers, step};

fn run(mode: &str, input: &RecordBatch) -> StepOutput {
    step(mode, Limits::default()).instance().process(input)
}

fn rejected(output: &StepOutput) -> Vec<(i64, &str, Cause)> {
    output.rejected.iter().map(|row| (row.offset, row.reason.as_ref(), row.cause)).collect()
}

#[test]
fn rewrites_a_column_and_sums_metrics() {
    let mut instance = step("double", Limits::default()).instance();
    let output = instance.process(&batch(&[1, 2, 3]));
    assert_eq!(numbers(&output.passed, "n"), [2, 4, 6]);
    assert_eq!(numbers(&output.passed, "_offset"), [100, 101, 102]);
    assert_eq!(output.metrics.counters.get("rows"), Some(&3));
    assert_eq!(instance.process(&batch(&[5])).metrics.gauges.get("last"), Some(&1.0));
    assert_eq!(instance.process(&batch(&[])).passed.num_rows(), 0);
}

#[test]
fn adds_a_column_before_the_system_columns() {
    let output = run("add", &batch(&[2, 4]));
    let schema = output.passed.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names[..5], ["n", "a", "b", "sum", "_topic"]);
    assert_eq!(output.passed.column(3).as_primitive::<Float64Type>().values(), &[2.0, 3.0]);
}

#[test]
fn drops_and_rejects_rows() {
    let output = run("keep-odd", &batch(&[1, 2, 3, 4]));
    assert_eq!((numbers(&output.passed, "n"), output.dropped), (vec![1, 3], vec![101, 103]));
    let output = run("reject", &batch(&[1, -2, 0, 4]));
    assert_eq!(numbers(&output.passed, "n"), [1, 4]);
    assert_eq!(output.dropped, [102]);
    assert_eq!(rejected(&output), [(101, "n is negative", Cause::Plugin)]);
    let output = run("long-reason", &batch(&[-1]));
    assert_eq!(output.rejected[0].reason, Arc::from("ü".repeat(128)));
}

#[test]
fn emitted_rows_stand_behind_their_parents() {
    let output = run("explode", &batch(&[2, 0, 1]));
    assert_eq!(numbers(&output.passed, "n"), [0, 1, 2]);
    assert_eq!(numbers(&output.passed, "_offset"), [100, 100, 102]);
    assert_eq!(output.dropped, [101], "a row that went on as others was not dropped");
}

#[test]
fn rows_for_other_tables_inherit_from_their_parents() {
    let output = run("alerts", &batch(&[1, -2, 3, -4]));
    assert_eq!(output.passed.num_rows(), 4);
    let [(0, alerts)] = output.emitted.as_slice() else { panic!("{:?}", output.emitted) };
    assert_eq!(numbers(alerts, "_offset"), [101, 103]);
    assert_eq!(alerts.column(0).as_string::<i32>().value(1), "low");
    assert_eq!(alerts.column(1).as_primitive::<Float64Type>().values(), &[-1.0, -2.0]);
}

#[test]
fn breaches_of_the_contract_are_named() {
    let check = |mode: &str, expected: &str| {
        let output = run(mode, &batch(&[-1]));
        let [(100, reason, Cause::Trap)] = rejected(&output)[..] else {
            panic!("{mode}: {:?}", output.rejected)
        };
        assert!(reason.starts_with("plugin `misbehave` "), "{mode}: {reason}");
        assert!(reason.contains(expected), "{mode}: `{expected}` is not in: {reason}");
    };
    check("keep-twice", "called keep twice");
    check("keep-short", "called keep with a bitmap of rows to keep with 0 bytes for 1 rows");
    check("write-twice", "wrote column `n` twice");
    check("wrong-number", "called write-int64 on column 7; its plan writes 1");
    check("read-wrong-number", "called read-int64 on column 7; its plan reads 1");
    check("wrong-type", "called write-float64 on column `n`, which its plan writes as int64");
    check("read-wrong-type", "called read-float64 on column `n`, which its plan reads as int64");
    check("short", "wrote to column `n` 0 values for 1 rows");
    check("short-validity", "wrote to column `n` a bitmap of validity with 0 bytes for 1 rows");
    check("falling-offsets", "wrote to column `text`");
    check("null", "left null in column `new`, which its plan declares as not nullable");
    check("not-utf8", "wrote to column `text` text that is not UTF-8");
    check("reject-no-row", "rejected row 1 of a batch of 1 rows");
    check("no-gather", "emitted rows of output `s` without parents");
    check("gather-twice", "called gather twice on one builder");
    check("gather-short", "gathered 1 parents for a builder of 2 rows");
    check("gather-no-row", "gathered row 1 of a batch of 1 rows");
    check("emit-wrong-number", "called write-int64 on column 7 of output `s`, which has 1");
    check("emit-wrong-type", "called write-float64 on column `n`, which its plan writes as int64");
    check("emit-short", "wrote to column `n` 1 values for 9 rows");
    check("no-output", "made a builder for output 9; its plan has 0");
    check("row-preserving", "called reject, but its plan is row-preserving");
}

#[test]
fn a_talkative_plugin_still_works() {
    assert_eq!(run("chatty", &batch(&[1])).passed.num_rows(), 1);
}
