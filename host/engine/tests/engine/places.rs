//! A dead letter shows where in the plugin's source it went wrong, and what a panic said.

use millstream_engine::{Grants, InputSpec, Limits};

use crate::{batch, engine, input, step};

fn check(mode: &str, expected: &[&str]) {
    let output = step(mode, Limits::default()).instance().process(&batch(&[-4]));
    let reason = &output.rejected[0].reason;
    for part in expected {
        assert!(reason.contains(part), "{mode}: `{part}` is not in: {reason}");
    }
}

#[test]
fn the_innermost_line_of_the_plugins_own_code_is_named() {
    check("traps", &["trapped: unreachable at misbehave/src/lib.rs:", "on_numbers)"]);
    check("panics", &["trapped: unreachable at misbehave/src/lib.rs:", "on_numbers)"]);
    // It overflows before the first line of the function that is one too many.
    check("stack", &["needs more stack than 512 KiB at", "misbehave::limits::recurse"]);
    check("memory", &["needs more than 64 MiB at misbehave/src/limits.rs:"]);
    check("keep-twice", &["called keep twice in one call at misbehave/src/"]);
}

#[test]
fn what_a_panic_of_an_sdk_plugin_says_is_the_reason() {
    let plugin = engine().load(&millstream_guests::wasm("stumble")).unwrap();
    let input = InputSpec::new("s", input().schema);
    let step =
        plugin.configure(&serde_json::json!({}), &input, Limits::default(), &Grants::default()).unwrap();
    let output = step.instance().process(&batch(&[0, 7, 2]));
    assert_eq!(output.passed.num_rows(), 2);
    let reason = &output.rejected[0].reason;
    assert!(reason.starts_with("plugin `stumble` panicked at "), "{reason}");
    assert!(reason.contains("stumble/src/lib.rs:"), "{reason}");
    assert!(reason.ends_with("index out of bounds: the len is 3 but the index is 7"), "{reason}");
}

#[test]
fn the_last_error_that_a_plugin_logged_goes_with_its_trap() {
    check("complains", &["trapped: unreachable at misbehave/src/lib.rs:", "; it logged `no such wheel`"]);
}
