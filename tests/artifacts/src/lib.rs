//! Where the compiled plugins and test guests lie. They are core modules, exactly as cargo built
//! them: making them components is the host's work.

use std::path::PathBuf;

/// Path of the `.wasm` file of a plugin or guest, by its crate's name (`cleanse-vehicle`).
///
/// # Panics
/// If there is no such guest.
pub fn wasm(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("WASM_DIR")).join(format!("{}.wasm", name.replace('-', "_")));
    assert!(path.is_file(), "no guest `{name}`: {} does not exist", path.display());
    path
}
