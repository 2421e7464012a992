//! Plugins that cannot be run, dropped into the plugin folder: each is refused by name and reason
//! before any message is read.

use millstream_tests::Workspace;

#[track_caller]
fn check(wasm: &[u8], words: &[&str]) {
    let workspace = Workspace::files();
    workspace.write("plugins/cleanse-vehicle.wasm", wasm);
    refused(&workspace, words);
}

#[track_caller]
fn refused(workspace: &Workspace, words: &[&str]) {
    let output = workspace.millstream(&["run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    for word in words {
        assert!(output.stderr.contains(word), "`{word}` is not in:\n{}", output.stderr);
    }
    assert!(!workspace.path("lake").exists(), "the lake was touched");
}

fn good() -> Vec<u8> {
    std::fs::read(millstream_guests::wasm("cleanse-vehicle")).unwrap()
}

#[test]
fn truncated() {
    let good = good();
    check(&good[..good.len() / 2], &["cleanse-vehicle.wasm"]);
    check(&good[..6], &["cleanse-vehicle.wasm"]);
    check(b"", &["cleanse-vehicle.wasm"]);
}

#[test]
fn not_wasm() {
    check(b"#!/bin/sh\necho I am a script\n", &["cleanse-vehicle.wasm", "not"]);
}

#[test]
fn of_another_world() {
    // The smallest core module and the smallest component: valid, and no plugins.
    check(b"\0asm\x01\0\0\0", &["cleanse-vehicle.wasm"]);
    check(b"\0asm\x0d\0\x01\0", &["cleanse-vehicle.wasm", "millstream:plugin"]);
}

#[test]
fn of_the_world_that_keeps_state() {
    let workspace = Workspace::files();
    std::fs::copy(millstream_guests::wasm("dedupe"), workspace.path("plugins/cleanse-vehicle.wasm")).unwrap();
    refused(&workspace, &["cleanse-vehicle", "keyed-transform"]);
}
