//! Who signed a plugin: only what the pinned key signed for this very name runs. Keys and signatures go both
//! ways between `millstream plugin` and stock minisign.

use std::process::Command;

use millstream_tests::{Workspace, seeds};

/// The vehicle stream, keys of our own, and another's.
fn workspace() -> Workspace {
    let workspace = Workspace::files();
    let message = seeds("us-route", "vehicle_data");
    workspace
        .write("messages/vehicle_data/0.jsonl", message.lines().next().expect("a message").to_owned() + "\n");
    for name in ["own", "other"] {
        let (public, secret) = (format!("{name}.pub"), format!("{name}.key"));
        let keygen = ["plugin", "keygen", "--no-password", "--public-key", &public, "--secret-key", &secret];
        workspace.millstream(&keygen).succeed();
    }
    workspace.configure("[worker]", "[plugins.keys]\n\"cleanse-*\" = { file = \"own.pub\" }\n[worker]");
    workspace
}

fn sign(workspace: &Workspace, key: &str, file: &str) {
    workspace.millstream(&["plugin", "sign", file, "--secret-key", key]).succeed();
}

#[track_caller]
fn refused(workspace: &Workspace, words: &[&str]) {
    let output = workspace.millstream(&["run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    for word in words {
        assert!(output.stderr.contains(word), "`{word}` is not in:\n{}", output.stderr);
    }
    assert!(!workspace.path("lake/raw").exists(), "rows flowed");
}

const PLUGIN: &str = "plugins/cleanse-vehicle.wasm";
const SIGNATURE: &str = "plugins/cleanse-vehicle.wasm.minisig";

#[test]
fn only_what_the_pinned_key_signed_for_this_name_runs() {
    let workspace = workspace();
    refused(
        &workspace,
        &["plugin `cleanse-vehicle` is not signed", "cleanse-vehicle.wasm.minisig", "plugin sign"],
    );
    sign(&workspace, "other.key", PLUGIN);
    refused(&workspace, &["signed by another key than the one pinned", "[plugins.keys]"]);
    // Signed under another name, then dropped in under this one.
    std::fs::copy(workspace.path(PLUGIN), workspace.path("plugins/cleanse-gps.wasm")).unwrap();
    sign(&workspace, "own.key", "plugins/cleanse-gps.wasm");
    std::fs::copy(workspace.path("plugins/cleanse-gps.wasm.minisig"), workspace.path(SIGNATURE)).unwrap();
    refused(&workspace, &["carries a signature for `cleanse-gps.wasm`", "sign it as cleanse-vehicle.wasm"]);
    workspace.write(SIGNATURE, "no signature at all\n");
    refused(&workspace, &["not in minisign's format"]);
    sign(&workspace, "own.key", PLUGIN);
    let signed = std::fs::read(workspace.path(PLUGIN)).unwrap();
    // A custom section more: it loads and runs as before, and is not what was signed.
    workspace.write(PLUGIN, [signed.as_slice(), &[0, 2, 1, b'x']].concat());
    refused(&workspace, &["not what was signed", "altered"]);
    let verify = workspace.millstream(&["plugin", "verify", PLUGIN]).run();
    assert_eq!(verify.code, Some(2), "{}", verify.stderr);
    workspace.write(PLUGIN, signed);
    workspace.millstream(&["plugin", "verify", PLUGIN]).succeed();
    assert_eq!(workspace.catch_up()["streams"]["vehicle"]["in"], 1);
    workspace.configure("\"cleanse-*\" =", "\"other-*\" =");
    workspace.configure("[plugins.keys]", "[plugins]\nrequire_signature = true\n[plugins.keys]");
    let output = workspace.millstream(&["run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("plugins.require_signature is on"), "{}", output.stderr);
}

/// The version that the log desires comes from the lake when the folder holds a replaced one; it is checked
/// there, too.
#[test]
fn a_plugin_in_the_lake_is_checked_by_the_signature_beside_it() {
    let workspace = workspace();
    let first = std::fs::read(workspace.path(PLUGIN)).unwrap();
    let second = [first.as_slice(), &[0, 2, 1, b'x']].concat();
    for plugin in [&first, &second, &first] {
        workspace.write(PLUGIN, plugin);
        sign(&workspace, "own.key", PLUGIN);
        workspace.catch_up();
    }
    let folder = workspace.path("lake/_millstream/plugins");
    let kept = || std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let signatures: Vec<_> = kept().filter(|path| path.extension().is_some_and(|e| e == "minisig")).collect();
    assert_eq!(signatures.len(), 2, "{signatures:?}");
    workspace.millstream(&["log", "verify"]).succeed();
    for signature in signatures {
        std::fs::remove_file(signature).unwrap();
    }
    let output = workspace.millstream(&["run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    for word in ["lake/_millstream/plugins/", "plugin `cleanse-vehicle` is not signed"] {
        assert!(output.stderr.contains(word), "`{word}` is not in:\n{}", output.stderr);
    }
}

#[test]
fn stock_minisign_takes_our_keys_and_signatures_and_we_take_its() {
    let workspace = workspace();
    let folder = workspace.path("plugins");
    let minisign = |args: &[&str]| {
        let output =
            Command::new("minisign").args(args).current_dir(&folder).output().expect("minisign is installed");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    // Ours, checked by it; our key, used by it; its key and signature, checked by us.
    sign(&workspace, "own.key", PLUGIN);
    minisign(&["-V", "-p", "../own.pub", "-m", "cleanse-vehicle.wasm"]);
    minisign(&["-S", "-s", "../own.key", "-m", "cleanse-vehicle.wasm"]);
    workspace.catch_up();
    minisign(&["-G", "-W", "-p", "../stock.pub", "-s", "../stock.key"]);
    minisign(&["-S", "-s", "../stock.key", "-m", "cleanse-vehicle.wasm"]);
    workspace.configure("own.pub", "stock.pub");
    workspace.catch_up();
    sign(&workspace, "stock.key", PLUGIN);
    minisign(&["-V", "-p", "../stock.pub", "-m", "cleanse-vehicle.wasm"]);
    // The form before 0.10, which signs the bytes themselves.
    minisign(&["-S", "-l", "-s", "../stock.key", "-m", "cleanse-vehicle.wasm"]);
    let output = workspace.millstream(&["plugin", "verify", PLUGIN, "--public-key", "stock.pub"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("minisign's old form"), "{}", output.stderr);
}

#[test]
fn keys_are_not_overwritten_and_secret_ones_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let workspace = workspace();
    let mode = std::fs::metadata(workspace.path("own.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    let before = std::fs::read(workspace.path("own.key")).unwrap();
    let keygen = ["plugin", "keygen", "--no-password", "--public-key", "new.pub", "--secret-key", "own.key"];
    let output = workspace.millstream(&keygen).run();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("cannot create own.key"), "{}", output.stderr);
    assert_eq!(std::fs::read(workspace.path("own.key")).unwrap(), before);
    let output =
        workspace.millstream(&["plugin", "sign", "millstream.toml", "--secret-key", "own.key"]).run();
    assert!(output.stderr.contains("expected NAME.wasm"), "{}", output.stderr);
}
