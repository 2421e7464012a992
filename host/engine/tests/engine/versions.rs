//! Plugins built against other versions of the package: compatible ones run, whatever of them is newer than the
//! host; of others the message says what they need, what the host has and what to do.

use millstream_engine::{Grants, Limits, LoadError, Plugin};

use crate::{batch, engine, input, numbers};

/// Guest `misbehave` as if it had been built against `version`, with `functions` renamed. Names keep their
/// lengths, so that the module stays whole.
fn built_against(version: &str, functions: &[(&str, &str)]) -> Result<Plugin, LoadError> {
    let mut module = std::fs::read(millstream_guests::wasm("misbehave")).unwrap();
    for name in ["", "/types", "/batches", "/log", "/metrics", "/lookup", "/plugin", "/transform"] {
        let name = |version: &str| format!("millstream:plugin{name}@{version}");
        replace(&mut module, name("0.1.0").as_bytes(), name(version).as_bytes());
    }
    for (known, unknown) in functions {
        replace(&mut module, known.as_bytes(), unknown.as_bytes());
    }
    engine().load_bytes("x", &module)
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> =
        bytes.windows(from.len()).enumerate().filter(|(_, part)| *part == from).map(|(at, _)| at).collect();
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
}

#[test]
fn a_newer_compatible_plugin_runs_if_it_uses_nothing_new() {
    for version in ["0.1.0", "0.1.9"] {
        let plugin = built_against(version, &[]).unwrap();
        let config = serde_json::json!({ "mode": "double" });
        let step = plugin.configure(&config, &input(), Limits::default(), &Grants::default()).unwrap();
        let output = step.instance().process(&batch(&[1, 2]));
        assert_eq!(numbers(&output.passed, "n").len(), 2, "{version}");
    }
}

#[test]
fn other_plugins_are_told_what_they_need_and_what_to_do() {
    let check = |version: &str, functions: &[(&str, &str)], expected: &[&str]| {
        let message = built_against(version, functions).unwrap_err().to_string();
        for part in expected {
            assert!(message.contains(part), "{version}: `{part}` is not in: {message}");
        }
    };
    let has = "and this millstream has 0.1.0";
    check(
        "0.2.0",
        &[],
        &["built for millstream:plugin@0.2.0", has, "upgrade to a millstream with millstream:plugin@0.2.0"],
    );
    check("0.0.9", &[], &["built for millstream:plugin@0.0.9", has, "build it again with the SDK of 0.1.0"]);
    let unknown = ("[method]batch.read-int64", "[method]batch.read-int63");
    check(
        "0.1.9",
        &[unknown],
        &[
            "built for millstream:plugin@0.1.9",
            "read-int63",
            "upgrade to a millstream with millstream:plugin@0.1.9",
        ],
    );
    check("0.1.0", &[unknown], &["does not fit the worlds of millstream:plugin@0.1.0", "read-int63"]);
}
