//! Cases as authors write them, with guests that keep state and guests that look things up.

mod examples;
mod guide;
mod keyed;
mod mistakes;
mod tables;

use std::fs;
use std::path::PathBuf;

use millstream_engine::Grants;
use millstream_testkit::{Case, Plugin};
use tempfile::TempDir;

fn plugin(guest: &str) -> Plugin {
    Plugin::load(&millstream_guests::wasm(guest)).unwrap()
}

fn stores(names: &[&str]) -> Grants {
    Grants { stores: names.iter().map(|name| (*name).to_owned()).collect(), ..Grants::default() }
}

/// A folder of cases with these files in it.
fn cases(files: &[(&str, &str)]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let cases = folder.path().join("cases");
    for (path, text) in files {
        let path = cases.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    (folder, cases)
}

/// Rows as `recall` wants them: a key and a number.
fn recall(mode: &str, lines: &[&str]) -> Case {
    let input =
        "[schema]\nkey = { type = \"string\", required = true }\nn = { type = \"int64\", required = true }\n";
    let case = Case::new("recall").config(mode.into()).grants(stores(&["seen"]));
    let case = case.declare_input("input", input).unwrap();
    lines.iter().fold(case, |case, line| match line.strip_prefix("to ") {
        Some(micros) => case.watermark(micros.parse().unwrap_or(i64::MAX)),
        None => case.message(*line),
    })
}
