//! Files that are no plugins, and plugins that do not come up: each with a message that says what to do.

use std::collections::BTreeSet;

use millstream_engine::{Engine, EngineSettings, Grants, Limits};

use crate::{engine, input, misbehave};

fn check(bytes: &[u8], expected: &[&str]) {
    let message = engine().load_bytes("x", bytes).unwrap_err().to_string();
    for part in expected {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

/// A component in the binary format: header and sections, each with its id.
fn component(sections: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for (id, content) in sections {
        bytes.push(*id);
        bytes.push(u8::try_from(content.len()).unwrap());
        bytes.extend(*content);
    }
    bytes
}

/// A component that imports or exports an empty instance by `name`.
fn naming(name: &str, section: u8) -> Vec<u8> {
    match section {
        10 => {
            let mut named = vec![1, 0, u8::try_from(name.len()).unwrap()];
            named.extend(name.as_bytes());
            named.extend([5, 0]);
            component(&[(7, &[1, 0x42, 0]), (10, &named)])
        }
        _ => component(&[(5, &[1, 1, 0]), (11, &exporting(name))]),
    }
}

/// The export section of a component whose instance 0 is exported by `name`.
fn exporting(name: &str) -> Vec<u8> {
    let mut named = vec![1, 0, u8::try_from(name.len()).unwrap()];
    named.extend(name.as_bytes());
    named.extend([5, 0, 0]);
    named
}

#[test]
fn refuses_what_is_not_a_plugin() {
    let module = std::fs::read(millstream_guests::wasm("misbehave")).unwrap();
    check(b"", &["`x` is not WebAssembly", "the file is empty"]);
    check(b"#!/bin/sh", &["`x` is not WebAssembly", "#!/bin/s"]);
    check(b"\0asm\x01", &["`x` is damaged or incomplete", "header"]);
    check(&module[..module.len() / 2], &["`x` is damaged or incomplete"]);
    check(b"\0asm\x01\0\0\0", &["without a component type section", "SDK or wit-bindgen"]);
    check(&component(&[]), &["exports nothing", "expected `millstream:plugin/plugin@0.1.0`"]);
}

#[test]
fn refuses_other_worlds() {
    check(
        &naming("wasi:filesystem/types@0.2.0", 10),
        &["imports `wasi:filesystem/types@0.2.0`", "without WASI"],
    );
    check(
        &naming("millstream:plugin/timed@0.1.0", 11),
        &["exports `millstream:plugin/timed@0.1.0`", "expected `millstream:plugin/plugin@0.1.0`"],
    );
    check(
        &naming("millstream:plugin/geo@0.1.0", 10),
        &[
            "imports `millstream:plugin/geo@0.1.0`, which is not part of that version",
            "build it with the SDK",
        ],
    );
    check(
        &naming("millstream:plugin/geo@0.1.7", 10),
        &["was built for millstream:plugin@0.1.7", "(interface `geo`)", "upgrade to a millstream with"],
    );
    check(
        &naming("millstream:plugin/log@9.0.0", 10),
        &["built for millstream:plugin@9.0.0 (it imports `millstream:plugin/log@9.0.0`)", "0.1.0", "upgrade"],
    );
}

#[test]
fn refuses_http_in_a_world_with_state() {
    let import = |name: &str| {
        let mut import = vec![0, u8::try_from(name.len()).unwrap()];
        import.extend(name.as_bytes());
        import.extend([5, 0]);
        import
    };
    let imports =
        [vec![2], import("millstream:plugin/http@0.1.0"), import("millstream:plugin/state@0.1.0")].concat();
    let plugin = exporting("millstream:plugin/plugin@0.1.0");
    check(
        &component(&[(7, &[1, 0x42, 0]), (10, &imports), (5, &[1, 1, 0]), (11, &plugin)]),
        &["imports http and keeps state", "http is refused in stateful steps"],
    );
}

#[test]
fn names_a_file_that_cannot_be_read() {
    let error = engine().load("/nowhere/x.wasm".as_ref()).unwrap_err();
    assert!(error.to_string().contains("/nowhere/x.wasm"), "{error}");
}

#[test]
fn reports_plugins_that_fail_to_configure() {
    let granted = |name: &str| BTreeSet::from([name.to_owned()]);
    let grants = Grants { stores: granted("seen"), tables: granted("cars"), ..Grants::default() };
    let check = |mode: &str, expected: &str| {
        let config = serde_json::json!({ "mode": mode });
        let refused = misbehave().configure(&config, &input(), Limits::default(), &grants);
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(expected), "{mode}: `{expected}` is not in: {message}");
    };
    check("configure-traps", "plugin `misbehave` trapped: unreachable at misbehave/src/lib.rs:");
    check("configure-loops", "plugin `misbehave` ran longer than 3 s at misbehave/src/l");
    check("configure-memory", "plugin `misbehave` needs more than 64 MiB at misbehave/src/l");
    check("refuses", "refuses its configuration: `zone`: no such zone");
    check("store", "store `seen`, which needs world keyed-transform");
    check("table", "lookup table `cars`; this version of millstream has no lookup tables");
}

#[test]
fn keeps_compiled_plugins_and_survives_damaged_ones() {
    let folder = tempfile::tempdir().unwrap();
    let load = || {
        let settings =
            EngineSettings { cache_dir: Some(folder.path().join("cwasm")), ..EngineSettings::default() };
        Engine::new(settings).unwrap().load(&millstream_guests::wasm("misbehave")).unwrap()
    };
    load();
    let files = || std::fs::read_dir(folder.path().join("cwasm")).unwrap().map(|entry| entry.unwrap().path());
    let [compiled] = files().collect::<Vec<_>>().try_into().unwrap();
    let whole = std::fs::read(&compiled).unwrap();
    std::fs::write(&compiled, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(load().about().name, "misbehave");
    assert_eq!(std::fs::read(&compiled).unwrap(), whole);
    assert_eq!(load().about().name, "misbehave");
}

#[test]
fn refuses_a_folder_that_others_can_write() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o770)).unwrap();
    let settings = EngineSettings { cache_dir: Some(folder.path().to_owned()), ..EngineSettings::default() };
    let message = Engine::new(settings).unwrap_err().to_string();
    assert!(message.contains("is not private (its mode is 0770)"), "{message}");
}
