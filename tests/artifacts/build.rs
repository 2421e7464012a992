//! Compiles every plugin and test guest to wasm32 with `scripts/wasm-cargo`, so that no test can run
//! against a guest older than its source.

use std::path::Path;
use std::process::Command;

fn main() {
    // Asked for when it runs: checkouts that share a target folder share the compiled script as well.
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package lies");
    let root = Path::new(&manifest_dir).ancestors().nth(2).expect("tests/artifacts lies two levels down");
    for watched in ["wit", "sdk/rust", "plugins", "examples/keyed", "tests/guests", "scripts/wasm-cargo"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_DIR");
    println!("cargo::rerun-if-env-changed=MILLSTREAM_WASM_TOOLCHAIN");
    let status = Command::new(root.join("scripts/wasm-cargo"))
        .args(["build", "--release", "--workspace", "--locked"])
        .status()
        .expect("scripts/wasm-cargo is a bash script: bash must be installed");
    assert!(status.success(), "the plugins and test guests did not compile for wasm32");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    println!("cargo::rustc-env=WASM_DIR={}", target.join("wasm/wasm32-unknown-unknown/release").display());
}
