//! What tools see of a plugin: what shows in its bytes, and one call looked at closely.

use millstream_engine::{Anatomy, Cause, Limits};

use crate::{batch, numbers, step};

#[test]
fn a_plugins_bytes_show_what_it_is() {
    let bytes = std::fs::read(millstream_guests::wasm("misbehave")).unwrap();
    let anatomy = Anatomy::of(&bytes).unwrap();
    assert_eq!((anatomy.is_component, anatomy.language, anatomy.abi()), (false, Some("Rust"), Some("0.1.0")));
    assert_eq!(anatomy.world(), "transform");
    assert_eq!(anatomy.exports.iter().collect::<Vec<_>>(), ["millstream:plugin/plugin@0.1.0"]);
    assert!(anatomy.has_lines && anatomy.memory_pages() > 0, "{anatomy:?}");
    assert!(anatomy.imports.contains("millstream:plugin/batches@0.1.0"), "{anatomy:?}");
    assert!(anatomy.tools.iter().any(|tool| tool.starts_with("rustc ")), "{anatomy:?}");
    let keyed = std::fs::read(millstream_guests::wasm("dedupe")).unwrap();
    assert_eq!(Anatomy::of(&keyed).unwrap().world(), "keyed-transform-with-migration");
    let error = Anatomy::of(&bytes[..bytes.len() / 2]).unwrap_err().to_string();
    assert!(error.starts_with("it is damaged or incomplete: "), "{error}");
}

#[test]
fn a_trial_says_what_a_call_cost_and_which_calls_it_failed_in() {
    let mut instance = step("double", Limits::default()).instance();
    let trial = instance.trial(&batch(&[1, 2, 3]));
    assert_eq!(numbers(&trial.outcome.unwrap().passed, "n"), [2, 4, 6]);
    assert!(trial.costs.host_calls > 1 && trial.costs.output_bytes >= 24, "{:?}", trial.costs);
    assert!(trial.costs.memory_bytes > 64 << 10, "{:?}", trial.costs);
    assert_eq!(trial.costs.memory_bytes, instance.memory_bytes());

    let mut instance = step("traps", Limits::default()).instance();
    let failed = instance.trial(&batch(&[1, -4])).outcome.unwrap_err();
    assert_eq!(failed.cause, Cause::Trap);
    assert!(failed.reason.contains("unreachable at misbehave/src/lib.rs:"), "{}", failed.reason);
    assert!(failed.stack.iter().any(|line| line.starts_with("misbehave/src/lib.rs:")), "{:?}", failed.stack);
    assert!(failed.stack.len() > 2, "{:?}", failed.stack);
    assert_eq!(instance.memory_bytes(), 0, "a failed instance is thrown away");
}
