//! A dead letter taken in hand: its record runs again, alone, and shows where it fails and whether it still does.

use millstream_tests::Workspace;
use serde_json::{Value, json};

const SCHEMA: &str = "n = { type = \"int64\", required = true }\na = \"float64\"\n";

/// Numbers, and these steps, each a guest with its configuration; run to the end.
fn workspace(steps: &[(&str, &str)], messages: &str) -> Workspace {
    let workspace = Workspace::files();
    let steps = steps.iter().map(|(guest, step)| {
        workspace.install(guest);
        format!("[[streams.numbers.steps]]\nname = \"{guest}\"\nplugin = \"{guest}\"\n{step}\n")
    });
    let steps: String = steps.collect();
    workspace.write(
        "millstream.toml",
        format!(
            "[lake]\nurl = \"lake\"\n[source.files]\ndir = \"messages\"\npoll_interval = \"20ms\"\n\
             [worker]\nthreads = 2\n[streams.numbers]\ntopic = \"numbers\"\n[streams.numbers.schema]\n{SCHEMA}{steps}"
        ),
    );
    workspace.write("messages/numbers/0.jsonl", messages);
    workspace.catch_up();
    workspace
}

#[track_caller]
fn check(workspace: &Workspace, args: &[&str], code: i32, parts: &[&str]) -> String {
    let output = workspace.millstream(&[&["plugin", "repro"], args].concat()).run();
    let said = output.stdout + &output.stderr;
    assert_eq!(output.code, Some(code), "{args:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
    said
}

#[test]
fn a_trap_shows_what_the_step_saw_and_every_call_it_was_in() {
    let workspace =
        workspace(&[("misbehave", "config = { mode = \"traps\" }")], "{\"n\":1}\n{\"n\":-1, \"a\": 0.5}\n");
    let shown = workspace.millstream(&["dead-letters", "show", "--json"]).succeed();
    let letter: Value = serde_json::from_str(&shown).unwrap();
    let id = letter["id"].as_str().unwrap();
    assert_eq!(id, "numbers/0/1");
    let parts = [
        "dead letter numbers/0/1\n",
        "\"n\": -1",
        "step misbehave: misbehave ",
        "the version that made the dead letter",
        "saw        n = -1",
        "failed in ",
        "misbehave/src/lib.rs:",
        "calls to the host",
        "now: step misbehave fails with it (trap): plugin `misbehave` trapped: unreachable at misbehave/src/lib.rs:",
    ];
    check(&workspace, &[id], 1, &parts);
    let told = workspace.millstream(&["plugin", "repro", id, "--json"]).run();
    assert_eq!(told.code, Some(1), "{}", told.stderr);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&told["outcome"]["outcome"], &told["outcome"]["cause"]), (&json!("fails"), &json!("trap")));
    assert_eq!(told["decoded"]["a"], json!(0.5));
    assert!(told["steps"][0]["stack"].as_array().unwrap().len() > 2, "{told}");

    // Another build of it: a custom section more.
    let guest = std::fs::read(millstream_guests::wasm("misbehave")).unwrap();
    workspace.write("new.wasm", [guest.as_slice(), &[0, 2, 1, b'x']].concat());
    check(&workspace, &[id, "--wasm", "new.wasm"], 1, &["another version than made the dead letter"]);
    std::fs::copy(millstream_guests::wasm("mark"), workspace.path("mark.wasm")).unwrap();
    check(&workspace, &[id, "--wasm", "mark.wasm"], 2, &["mark.wasm does not fit: ", "no column `id`"]);
    let nothing = lake(&workspace);
    check(&workspace, &[id], 1, &[]);
    assert_eq!(lake(&workspace), nothing, "a look changes nothing");
}

/// The version in the plugin folder ran once, whatever had made the letter: what was shown was not what had happened.
#[test]
fn the_versions_that_processed_the_record_run_again_unless_todays_are_asked_for() {
    let steps = [("misbehave", "config = { mode = \"double\" }"), ("stumble", "")];
    let workspace = workspace(&steps, "{\"n\":7}\n");
    let id = "numbers/0/0";
    let guest = |name: &str| std::fs::read(millstream_guests::wasm(name)).unwrap();
    let now = [guest("misbehave").as_slice(), &[0, 2, 1, b'x']].concat();
    workspace.write("plugins/misbehave.wasm", &now);
    // Without a mode it lets numbers be.
    workspace.write("plugins/stumble.wasm", &now);
    let parts = [
        "step stumble: stumble 1.0.0",
        "the version that made the dead letter",
        "saw        n = 14",
        "but the index is 14",
        "the plugin folder has another version of it (",
        "--current runs that one",
    ];
    check(&workspace, &[id], 1, &parts);
    let ran = |args: &[&str]| -> Value {
        let told = workspace.millstream(&[&["plugin", "repro", id, "--json"], args].concat()).run();
        serde_json::from_str(&told.stdout).unwrap_or_else(|_| panic!("{}", told.stderr))
    };
    let told = ran(&[]);
    assert_eq!((&told["runs"], &told["outcome"]["cause"]), (&json!("then"), &json!("trap")), "{told}");
    let digests =
        |told: &Value| [0, 1].map(|step: usize| told["steps"][step]["digest"].as_str().unwrap().to_owned());
    let [before, failed] = digests(&told);
    assert_eq!(json!(failed), told["letter"]["plugin"]);

    let parts = ["another version than made the dead letter: the one in the plugin folder", "now: it passes"];
    let said = check(&workspace, &[id, "--current"], 0, &parts);
    assert!(!said.contains("--current runs that one"), "{said}");
    let current = ran(&["--current"]);
    let [today, same] = digests(&current);
    assert_eq!(current["runs"], json!("current"), "{current}");
    assert_eq!((&json!(today), &today), (&told["in_folder"], &same));
    assert_ne!(before, today, "the step before ran in its version of then");
    check(&workspace, &[id, "--current", "--wasm", "x.wasm"], 2, &["cannot be used with"]);

    std::fs::remove_file(workspace.path(&format!("lake/_millstream/plugins/{failed}.wasm"))).unwrap();
    let parts =
        ["of step stumble, which ran then, cannot be run; --current runs what lies in the plugin folder"];
    check(&workspace, &[id], 1, &parts);
}

/// Files of the lake.
fn lake(workspace: &Workspace) -> usize {
    workspace.files_of("dead_letters").len() + workspace.files_of("raw.numbers").len()
}

#[test]
fn a_rejected_record_passes_once_the_configuration_is_corrected() {
    let steps = [("adjust", ""), ("misbehave", "config = { mode = \"reject\" }")];
    let workspace = workspace(&steps[1..], "{\"n\":-3}\n");
    let rejected = "now: step misbehave rejects it: n is negative";
    check(&workspace, &["numbers/0/0", "--step", "numbers/misbehave"], 1, &[rejected]);
    workspace.configure("\"reject\"", "\"double\"");
    let parts =
        ["passed on  n = -6", "metric     rows = 1", "now: it passes; `millstream dead-letters redrive`"];
    check(&workspace, &["numbers/0/0"], 0, &parts);
}

#[test]
fn what_a_plugin_logs_is_shown_at_every_level() {
    let workspace = workspace(&[("stumble", "")], "{\"n\":7}\n");
    let panicked = "now: step stumble fails with it (trap): plugin `stumble` panicked at ";
    let parts = ["log        ERROR panicked at ", "stumble/src/lib.rs:", panicked, "failed in "];
    check(&workspace, &["numbers/0/0"], 1, &parts);
}

#[test]
fn a_record_that_came_to_no_step_says_what_can_be_done() {
    let workspace =
        workspace(&[("misbehave", "config = { mode = \"double\" }")], "{\"n\":\"x\"}\n{\"n\":4}\n");
    let parts = ["now: it does not fit the schema of stream numbers: ", "millstream schema check"];
    check(&workspace, &["numbers/0/0"], 1, &parts);
    workspace.configure(
        "n = { type = \"int64\", required = true }",
        "n = { type = \"int64\", mismatch = \"null\" }",
    );
    check(&workspace, &["numbers/0/0", "--wasm", "x.wasm"], 2, &["failed in decode, before any plugin"]);
    check(&workspace, &["numbers/0/1"], 2, &["there is no dead letter numbers/0/1"]);
    check(&workspace, &["numbers"], 2, &["`numbers` names no message; expected TOPIC/PARTITION/OFFSET"]);
    workspace.configure("name = \"misbehave\"", "name = \"other\"");
    check(
        &workspace,
        &["numbers/0/0", "--step", "misbehave"],
        2,
        &["there is no dead letter", "of step misbehave"],
    );
}
