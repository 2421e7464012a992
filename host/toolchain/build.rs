//! Puts the SDKs, the templates, the interface and `scripts/wasm-cargo` into the library, so that `plugin new`
//! and `plugin build` need nothing but the binary.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const LANGUAGES: [&str; 4] = ["rust", "python", "javascript", "c"];
/// Folders and files of an SDK that are not for authors.
const NOT_FOR_AUTHORS: [&str; 9] = [
    "template",
    "target",
    "node_modules",
    "examples",
    "tests",
    "test",
    "__pycache__",
    "package-lock.json",
    "tools",
];
/// Of a template, what tools may have left there.
const LEFT_OVERS: [&str; 3] = ["target", "node_modules", "__pycache__"];

fn main() {
    // Asked for when it runs: checkouts that share a target folder share the compiled script as well.
    let manifest_dir = variable("CARGO_MANIFEST_DIR");
    let root = Path::new(&manifest_dir).ancestors().nth(2).expect("host/toolchain lies two levels down");
    let mut code = String::new();
    for kind in ["SDK", "TEMPLATE"] {
        writeln!(code, "pub(crate) static {kind}: [&[File]; {}] = [", LANGUAGES.len()).expect(TEXT);
        for language in LANGUAGES {
            let sdk = root.join("sdk").join(language);
            let files = match kind {
                "SDK" => files(&sdk, &NOT_FOR_AUTHORS),
                _ => files(&sdk.join("template"), &LEFT_OVERS),
            };
            writeln!(code, "    &[{}],", files).expect(TEXT);
        }
        writeln!(code, "];").expect(TEXT);
    }
    for (name, file) in [
        ("WASM_CARGO", "scripts/wasm-cargo"),
        ("CARGO_LOCK", "plugins/Cargo.lock"),
        ("NPM_MANIFEST", "sdk/javascript/tools/package.json"),
        ("NPM_LOCK", "sdk/javascript/tools/package-lock.json"),
    ] {
        let path = root.join(file);
        println!("cargo::rerun-if-changed={}", path.display());
        writeln!(code, "pub(crate) static {name}: &str = include_str!({path:?});").expect(TEXT);
    }
    let out = PathBuf::from(variable("OUT_DIR")).join("embedded.rs");
    std::fs::write(out, code).expect("cargo's own folder can be written");
}

const TEXT: &str = "a string takes any text";

fn variable(name: &str) -> std::ffi::OsString {
    std::env::var_os(name).expect("cargo sets it for build scripts")
}

/// The files below `folder` as the fields of an array, in the order of their names.
fn files(folder: &Path, left_out: &[&str]) -> String {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut found = Vec::new();
    collect(folder, left_out, &mut found);
    found.sort();
    let mut code = String::new();
    for path in found {
        let name = path.strip_prefix(folder).expect("it was found there").display().to_string();
        write!(code, "File {{ name: {name:?}, bytes: include_bytes!({path:?}) }}, ").expect(TEXT);
    }
    code
}

fn collect(folder: &Path, left_out: &[&str], found: &mut Vec<PathBuf>) {
    // A language whose SDK is not there has no files.
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a folder of the checkout can be listed").path();
        if left_out.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        match path.is_dir() {
            true => collect(&path, left_out, found),
            false => found.push(path),
        }
    }
}
