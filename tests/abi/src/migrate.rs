//! Migration of a store's values, in batches as small as a caller likes.

use std::path::Path;

use wasmtime::component::Linker;
use wasmtime::{Config, Engine, Result, Store};

use crate::bindings::{self, Bytes};
use crate::context::Context;
use crate::{imports, step};

type Arguments = (String, u32, Bytes, Bytes);
type Migrated = (std::result::Result<Bytes, String>,);

/// Migrates `entries` of a store, `batch` at a time. None as a value is a deletion.
///
/// # Errors
/// If the guest does not migrate, or refuses: the outer error is the host's, the inner one the guest's.
pub fn migrate(
    module: &Path,
    store_name: &str,
    from_version: u32,
    entries: &[(Vec<u8>, Vec<u8>)],
    batch: usize,
) -> Result<std::result::Result<Vec<Option<Vec<u8>>>, String>> {
    let engine = Engine::new(Config::new().concurrency_support(false))?;
    let mut linker = Linker::new(&engine);
    imports::link(&mut linker)?;
    let mut store = Store::new(&engine, Context::default());
    let component = step::compile(&engine, module)?;
    let instance = linker.instantiate(&mut store, &component)?;
    let interface = instance.get_export_index(&mut store, None, "millstream:plugin/migration@0.1.0");
    let name = instance.get_export_index(&mut store, interface.as_ref(), "migrate");
    let name = name.ok_or_else(|| wasmtime::Error::msg("the guest does not migrate"))?;
    let function = instance.get_typed_func::<Arguments, Migrated>(&mut store, name)?;
    let mut migrated = vec![];
    for part in entries.chunks(batch) {
        let (keys, values): (Vec<_>, Vec<_>) =
            part.iter().map(|(key, value)| (Some(key), Some(value))).unzip();
        let arguments = (store_name.to_owned(), from_version, bindings::pack(&keys), bindings::pack(&values));
        match function.call(&mut store, arguments)?.0 {
            Ok(values) => migrated.extend(bindings::unpack(&values)?),
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(Ok(migrated))
}
