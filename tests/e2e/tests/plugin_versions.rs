//! Which version of a plugin runs: a new one that is dropped in takes over at the next start, a copy of
//! one that was replaced does not.

use millstream_tests::{Workspace, seeds};
use serde_json::{Value, json};

/// The plugin that the log desires, by its digest.
fn desired(workspace: &Workspace) -> String {
    let log = workspace.millstream(&["log", "show", "--json"]).succeed();
    let entries = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let desired = |entry: Value| find(&entry, "desired").cloned();
    let last = entries.filter_map(desired).next_back().expect("the log names its plugins");
    last[0]["plugin"].as_str().expect("a digest").to_owned()
}

fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object.get(key).or_else(|| object.values().find_map(|value| find(value, key)))
}

#[test]
fn a_new_one_is_adopted_and_an_old_copy_is_not() {
    let workspace = Workspace::files();
    let messages = seeds("us-route", "vehicle_data");
    let lines: Vec<_> = messages.lines().take(3).collect();
    let first = std::fs::read(millstream_guests::wasm("cleanse-vehicle")).unwrap();
    // The same plugin with another digest: a custom section named `x` is added.
    let second = [first.as_slice(), &[0, 2, 1, b'x']].concat();

    let run = |plugin: &[u8], partition: usize| {
        workspace.write("plugins/cleanse-vehicle.wasm", plugin);
        workspace
            .write(&format!("messages/vehicle_data/{partition}.jsonl"), format!("{}\n", lines[partition]));
        let output = workspace.millstream(&["run", "--until-caught-up", "--json"]).run();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let summary: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(summary["streams"]["vehicle"]["in"], json!(1));
        (desired(&workspace), output.stderr.contains("was replaced"))
    };
    let (one, replaced) = run(&first, 0);
    assert!(!replaced);
    let (two, replaced) = run(&second, 1);
    assert!(one != two && !replaced, "the new version was not adopted");
    assert_eq!(run(&first, 2), (two, true));
}
