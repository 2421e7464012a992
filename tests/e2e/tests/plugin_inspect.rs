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
        ["note: no running process is shown: ", "for vehicle/cleanse", "valid", "no step runs it", "broken"];
    check(&workspace, &["list"], 0, &parts);
    let listed = workspace.millstream(&["plugin", "list", "--json"]).run();
    assert!(listed.stderr.contains("note: no running process is shown: "), "{}", listed.stderr);
    let mut listed: Vec<Value> =
        listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let process = listed.remove(0)["process"].take();
    assert_eq!(process["reached"], json!(false));
    assert!(process["reason"].as_str().unwrap().contains("no token"), "{process}");
    let names: Vec<_> = listed.iter().map(|file| &file["plugin"]).collect();
    assert_eq!(names, [&json!("broken"), &json!("cleanse-vehicle"), &json!("mark")]);
    assert!(listed[0]["problem"].as_str().unwrap().contains("not WebAssembly"), "{}", listed[0]);
    assert_eq!(listed[1]["signature"]["state"], json!("valid"));
    check(&workspace, &["inspect", PLUGIN], 0, &["signature   valid, made by key "]);
}

/// Nobody listens at a server that is named: a script that asked for its steps must not go on without them.
#[test]
fn a_server_that_is_named_must_answer() {
    let workspace = Workspace::files();
    workspace.write("token", "a-token-for-this-test");
    workspace.configure("[worker]", "[admin]\ntoken_file = \"token\"\n[worker]");
    let nobody = ["list", "--url", "http://127.0.0.1:9"];
    check(&workspace, &nobody, 1, &["error: nothing answers at http://127.0.0.1:9"]);
    let output = workspace.millstream(&["plugin", "list", "--url", "http://127.0.0.1:9", "--json"]).run();
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{}", output.stderr);
}

/// One rule for all: standard output is for JSON alone, and the last line of standard error says what went wrong.
#[test]
fn every_verb_takes_json_and_keeps_errors_out_of_it() {
    let workspace = Workspace::files();
    let help = workspace.millstream(&["plugin", "--help"]).succeed();
    let verbs =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let verbs =
        verbs.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    let verbs: Vec<&str> = verbs.filter(|verb| *verb != "help").collect();
    assert!(verbs.len() >= 17, "{verbs:?}");
    for verb in verbs {
        let help = workspace.millstream(&["plugin", verb, "--help"]).succeed();
        assert!(help.contains("--json"), "plugin {verb} has no --json");
    }
    let fails = |args: &[&str], code: i32| {
        let output = workspace.millstream(&[&["plugin"], args, &["--json"]].concat()).run();
        assert_eq!((output.code, output.stdout.as_str()), (Some(code), ""), "{args:?}: {}", output.stderr);
        let last = output.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("error: "), "{args:?}: {}", output.stderr);
    };
    fails(&["new", "plugins"], 2);
    fails(&["build", "nowhere"], 2);
    fails(&["test", "nowhere"], 2);
    fails(&["bench", "nowhere"], 2);
    fails(&["inspect", "absent.wasm"], 2);
    fails(&["repro", "vehicle/0/0"], 1);
    fails(&["verify", "absent.wasm", "--public-key", KEY], 2);
    fails(&["show", "--step", "cleanse", "--url", "http://127.0.0.1:9"], 2);
}

/// A pipe was waited at for ever.
#[test]
fn what_is_no_file_is_named_and_not_waited_for() {
    let workspace = Workspace::files();
    let pipe = workspace.path("plugins/pipe.wasm");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    check(
        &workspace,
        &["inspect", "plugins/pipe.wasm"],
        2,
        &["plugins/pipe.wasm is a pipe, expected the file of"],
    );
    check(
        &workspace,
        &["inspect", "/dev/zero"],
        2,
        &["/dev/zero is a device, expected the file of a plugin"],
    );
    check(&workspace, &["inspect", "plugins"], 2, &["is not the folder of a plugin"]);
    check(
        &workspace,
        &["bench", "--wasm", "plugins"],
        2,
        &["plugins is a folder, expected the file of a plugin"],
    );
    check(&workspace, &["test", "--wasm", "plugins/pipe.wasm", "plugins"], 2, &[]);
    check(&workspace, &["verify", "plugins/pipe.wasm", "--public-key", KEY], 2, &["is a pipe"]);
    check(&workspace, &["list"], 0, &["pipe", "broken", "plugins/pipe.wasm is a pipe"]);
}

/// A public key of nobody.
const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

/// Plugins that ask servers could be looked at with a configuration only.
#[test]
fn a_plugin_that_asks_servers_is_shown_where_there_is_no_configuration() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(millstream_guests::wasm("enrich"), folder.path().join("enrich.wasm")).unwrap();
    let write = |name: &str, text: &str| {
        std::fs::create_dir_all(folder.path().join("cases/one")).unwrap();
        std::fs::write(folder.path().join("cases/one").join(name), text).unwrap();
    };
    write("input.jsonl", "{\"n\": 1}\n");
    write("config.toml", "config = { url = \"https://example.com/{n}\" }\n");
    let millstream = |args: &[&str]| {
        let command = millstream_tests::Command::millstream([&["plugin"], args].concat());
        command
            .in_folder(folder.path())
            .env("MILLSTREAM_CACHE", folder.path().join("cache").to_str().unwrap())
            .run()
    };
    let shown = millstream(&["inspect", "enrich.wasm"]);
    assert_eq!(shown.code, Some(0), "{}{}", shown.stdout, shown.stderr);
    for part in [
        "imports     batches, http",
        "reads     n int64",
        "what is granted now is not enough",
        "[grants.http.\"HOST\"]",
    ] {
        assert!(shown.stdout.contains(part), "`{part}` is not in:\n{}", shown.stdout);
    }
    let listed = millstream(&["list", "--dir", "."]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    assert!(listed.stdout.contains("enrich") && !listed.stdout.contains("broken"), "{}", listed.stdout);
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
