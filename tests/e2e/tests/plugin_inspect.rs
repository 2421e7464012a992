//! What a plugin is and asks for, before anything runs it; and what lies in the plugin folder.

use millstream_tests::Workspace;
use serde_json::{Value, json};

#[track_caller]
fn check(workspace: &Workspace, args: &[&str], code: i32, parts: &[&str]) -> String {
    let output = workspace.millstream(&[&["plugin"], args].concat()).run();
    let said = output.stdout + &output.stderr;
    assert_eq!(output.code, Some(code), "{args:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
    said
}

const PLUGIN: &str = "plugins/cleanse-vehicle.wasm";

#[test]
fn a_plugin_shows_what_it_is_and_what_it_does_on_a_stream() {
    let workspace = Workspace::files();
    let parts = [
        "plugin      cleanse-vehicle 0.1.0\n",
        "language    Rust (",
        "interface   millstream:plugin 0.1.0, world transform\n",
        "imports     batches",
        "exports     plugin\n",
        "failures name file and line",
        "signature   unsigned\n",
        "\"zone\"",
        "no plan: a plugin plans for a stream",
    ];
    check(&workspace, &["inspect", PLUGIN], 0, &parts);
    let parts = [
        "plan on stream `vehicle`, step `cleanse`",
        "  reads ",
        "[grants]\n",
        "what is granted now is enough",
    ];
    let text = check(&workspace, &["inspect", PLUGIN, "--stream", "vehicle"], 0, &parts);

    // What it prints can be put beside the plugin, and is enough even where everything must be granted.
    let grants = &text[text.find("[grants]").unwrap()..];
    let beside = grants.replace("[grants]\n", "[grants]\nstrict = true\n");
    workspace.write("plugins/cleanse-vehicle.toml", &beside);
    workspace.millstream(&["validate"]).succeed();
    let one_less = beside.replacen("\"make\", ", "", 1);
    assert_ne!(one_less, beside);
    workspace.write("plugins/cleanse-vehicle.toml", one_less);
    let parts = ["what is granted now is not enough", "`make`, which is not granted"];
    check(&workspace, &["inspect", PLUGIN, "--stream", "vehicle"], 2, &parts);
}

#[test]
fn what_is_no_plugin_or_does_not_fit_is_refused_with_what_to_do() {
    let workspace = Workspace::files();
    workspace.write("script.wasm", "#!/bin/sh");
    check(&workspace, &["inspect", "script.wasm"], 2, &["plugin `script` is not WebAssembly"]);
    check(&workspace, &["inspect", "absent.wasm"], 2, &["absent.wasm cannot be read"]);
    check(&workspace, &["inspect", PLUGIN, "--stream", "gps"], 2, &["no stream `gps`; it has: vehicle"]);
    workspace.configure("make = { type = \"string\", required = true }\n", "");
    let parts = ["problem", "no column `make`"];
    check(&workspace, &["inspect", PLUGIN, "--stream", "vehicle"], 2, &parts);
}

#[test]
fn the_folder_is_listed_without_a_running_process() {
    let workspace = Workspace::files();
    workspace.install("mark");
    workspace.write("plugins/broken.wasm", "no wasm");
    let keygen = ["keygen", "--no-password", "--public-key", "own.pub", "--secret-key", "own.key"];
    check(&workspace, &keygen, 0, &[]);
    check(&workspace, &["sign", PLUGIN, "--secret-key", "own.key"], 0, &[]);
    workspace.configure("[worker]", "[plugins.keys]\n\"cleanse-*\" = { file = \"own.pub\" }\n[worker]");
    let parts =
        ["no running process is shown: ", "for vehicle/cleanse", "valid", "no step runs it", "broken"];
    check(&workspace, &["list"], 0, &parts);
    let listed = workspace.millstream(&["plugin", "list", "--json"]).succeed();
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = listed.iter().map(|file| &file["plugin"]).collect();
    assert_eq!(names, [&json!("broken"), &json!("cleanse-vehicle"), &json!("mark")]);
    assert!(listed[0]["problem"].as_str().unwrap().contains("not WebAssembly"), "{}", listed[0]);
    assert_eq!(listed[1]["signature"]["state"], json!("valid"));
    check(&workspace, &["inspect", PLUGIN], 0, &["signature   valid, made by key "]);
}

#[test]
fn a_password_needs_a_terminal_or_a_file() {
    let workspace = Workspace::files();
    let output = workspace.millstream(&["plugin", "keygen"]).without_terminal().run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("no terminal to ask for the password"), "{}", output.stderr);
    assert!(output.stderr.contains("--password-file"), "{}", output.stderr);
}

#[test]
fn without_a_stream_the_plan_is_that_of_a_case_beside_the_plugin() {
    let workspace = Workspace::files();
    workspace.write("plugins/cases/one/input.jsonl", millstream_tests::seeds("canonical", "vehicle_data"));
    let config = "config = { zone = \"Europe/London\" }\n";
    workspace.write("plugins/cases/one/config.toml", config);
    workspace.write("plugins/cases/broken/config.toml", "config = ");
    let parts =
        ["plan on case `one`, with the configuration {\"zone\":\"Europe/London\"}", "  reads ", "[grants]\n"];
    check(&workspace, &["inspect", PLUGIN], 0, &parts);
    check(&workspace, &["inspect", PLUGIN], 0, &["note: case `broken` is left out: "]);
}
