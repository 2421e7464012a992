//! From the bytes of a `.wasm` file to a plugin that is known to be of a world this host serves: a core
//! module becomes a component, imports and exports are checked by name, then it is compiled (or found
//! compiled) and asked to describe itself. No stream is known here.

use std::path::{Path, PathBuf};

use millstream_model::Digest;
use wasmtime::component::{Component, InstancePre};
use wit_component::ComponentEncoder;

use crate::bindings::TransformPre;
use crate::calls::Calls;
use crate::engine::{Engine, Shared};
use crate::instance::{Running, StartError};
use crate::limits::{Limits, size};
use crate::plugin::Plugin;

const PACKAGE: &str = "millstream:plugin/";
const VERSION: &str = "0.1.0";
const IMPORTS_SERVED: [&str; 6] = ["types", "batches", "log", "metrics", "lookup", "http"];
const IMPORTS_OF_STATE: [&str; 3] = ["clock", "state", "timers"];

/// A file is not a plugin that this host can run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("plugin file {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is larger than [`crate::EngineSettings::plugin_bytes_max`].
    #[error("plugin `{plugin}` has {bytes} bytes; at most {} are read", size(*limit))]
    TooLarge {
        /// Name the plugin was loaded by.
        plugin: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: usize,
    },
    /// The file does not begin as WebAssembly does.
    #[error("plugin `{plugin}` is not WebAssembly: it begins with {found}, expected `\\0asm`")]
    NotWasm {
        /// Name the plugin was loaded by.
        plugin: String,
        /// Its first bytes.
        found: String,
    },
    /// The file begins as WebAssembly but cannot be read to its end.
    #[error("plugin `{plugin}` is damaged or incomplete, build or copy it again: {reason}")]
    Damaged {
        /// Name the plugin was loaded by.
        plugin: String,
        /// What the parser said.
        reason: String,
    },
    /// A core module that nobody described as a component.
    #[error(
        "plugin `{plugin}` is a core module without a component type section: \
         was it built without the SDK or wit-bindgen?"
    )]
    NoComponentType {
        /// Name the plugin was loaded by.
        plugin: String,
    },
    /// It exports no plugin, or one of another version.
    #[error(
        "plugin `{plugin}` exports {found}, expected `millstream:plugin/plugin@{VERSION}`: \
         build it with the SDK of this version of millstream"
    )]
    WrongWorld {
        /// Name the plugin was loaded by.
        plugin: String,
        /// Its exports.
        found: String,
    },
    /// It keeps state.
    #[error(
        "plugin `{plugin}` is of world keyed-transform, which keeps state (it {evidence}); \
         this version of millstream runs worlds transform and transform-with-http only"
    )]
    KeepsState {
        /// Name the plugin was loaded by.
        plugin: String,
        /// The import or export that shows it.
        evidence: String,
    },
    /// It keeps state and can ask servers.
    #[error(
        "plugin `{plugin}` imports http and keeps state (it {evidence}): http is refused in stateful steps; \
         ask in a step of its own before it"
    )]
    HttpWithState {
        /// Name the plugin was loaded by.
        plugin: String,
        /// The import or export that shows that it keeps state.
        evidence: String,
    },
    /// It wants something from outside that no plugin gets.
    #[error("plugin `{plugin}` imports `{import}`, which it may not have; {remedy}")]
    ForbiddenImport {
        /// Name the plugin was loaded by.
        plugin: String,
        /// The import.
        import: String,
        /// What its author can do.
        remedy: &'static str,
    },
    /// Names agree, types do not.
    #[error(
        "plugin `{plugin}` does not fit world transform-with-http of millstream:plugin@{VERSION}: {reason}"
    )]
    Mismatch {
        /// Name the plugin was loaded by.
        plugin: String,
        /// Where they differ.
        reason: String,
    },
    /// It cannot even be started or asked for its name.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl Engine {
    /// Loads a plugin from a file; its name in messages is the file's, without extension.
    pub fn load(&self, path: &Path) -> Result<Plugin, LoadError> {
        self.load_bytes(&name(path), &self.read(path)?)
    }

    /// Reads a plugin's file for [`Engine::load_bytes`], unless it is larger than any plugin may be.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        let fail = |source| LoadError::Read { path: path.to_owned(), source };
        let bytes = std::fs::metadata(path).map_err(fail)?.len();
        let limit = self.shared.settings.plugin_bytes_max;
        if bytes > limit as u64 {
            return Err(LoadError::TooLarge { plugin: name(path), bytes, limit });
        }
        std::fs::read(path).map_err(fail)
    }

    /// Loads a plugin: a component of world `transform` or `transform-with-http`, or the core module that a compiler made, which
    /// becomes one here. Compiles on the calling thread and its helpers, which may take seconds.
    pub fn load_bytes(&self, name: &str, bytes: &[u8]) -> Result<Plugin, LoadError> {
        let limit = self.shared.settings.plugin_bytes_max;
        if bytes.len() > limit {
            return Err(LoadError::TooLarge { plugin: name.to_owned(), bytes: bytes.len() as u64, limit });
        }
        let digest = Digest::of(bytes);
        let component = compiled(&self.shared, name, bytes, &digest)?;
        check_world(&self.shared, name, &component)?;
        let transform = typed(&self.shared, name, &component)?;
        let about = Running::describe(&self.shared, name, &transform, &Limits::default())?;
        Ok(Plugin::new(self.clone(), name, digest, bytes.len(), about, transform))
    }
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn compiled(shared: &Shared, name: &str, bytes: &[u8], digest: &Digest) -> Result<Component, LoadError> {
    let is_component = is_component(name, bytes)?;
    if let Some(component) = shared.cache.as_ref().and_then(|cache| cache.get(&shared.wasmtime, digest)) {
        return Ok(component);
    }
    let encoded = if is_component { None } else { Some(component_of_module(shared, name, bytes)?) };
    let component = Component::from_binary(&shared.wasmtime, encoded.as_deref().unwrap_or(bytes))
        .map_err(|error| LoadError::Damaged { plugin: name.to_owned(), reason: format!("{error:#}") })?;
    if let Some(cache) = &shared.cache {
        cache.put(digest, &component);
    }
    Ok(component)
}

/// Tells components from core modules by the layer in the header.
fn is_component(name: &str, bytes: &[u8]) -> Result<bool, LoadError> {
    let plugin = name.to_owned();
    let Some(rest) = bytes.strip_prefix(b"\0asm") else {
        let start = &bytes[..bytes.len().min(8)];
        let found = if start.is_empty() {
            "nothing (the file is empty)".to_owned()
        } else {
            format!("`{}`", start.escape_ascii())
        };
        return Err(LoadError::NotWasm { plugin, found });
    };
    match rest.get(..4) {
        Some([_, _, 0, 0]) => Ok(false),
        Some(_) => Ok(true),
        None => Err(LoadError::Damaged { plugin, reason: "it ends within its header".to_owned() }),
    }
}

fn component_of_module(shared: &Shared, name: &str, module: &[u8]) -> Result<Vec<u8>, LoadError> {
    let damaged = |error: &dyn std::fmt::Display| LoadError::Damaged {
        plugin: name.to_owned(),
        reason: format!("{error:#}"),
    };
    // wit-component takes valid modules for granted: it panics on a truncated one.
    wasmtime::Module::validate(&shared.wasmtime, module).map_err(|error| damaged(&error))?;
    let (described, _) = wit_component::metadata::decode(module).map_err(|error| damaged(&error))?;
    if described.is_none() {
        return Err(LoadError::NoComponentType { plugin: name.to_owned() });
    }
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| damaged(&error))
}

/// Checks imports and exports by name, so that messages can say what is wrong.
fn check_world(shared: &Shared, name: &str, component: &Component) -> Result<(), LoadError> {
    let ty = component.component_type();
    let exports: Vec<&str> = ty.exports(&shared.wasmtime).map(|(export, _)| export).collect();
    let imports: Vec<&str> = ty.imports(&shared.wasmtime).map(|(import, _)| import).collect();
    if let Some(timed) = exports.iter().find(|export| export.starts_with("millstream:plugin/timed@")) {
        return Err(keeps_state(name, &imports, format!("exports `{timed}`")));
    }
    for import in &imports {
        check_import(name, import, &imports)?;
    }
    if !exports.contains(&format!("{PACKAGE}plugin@{VERSION}").as_str()) {
        let found =
            if exports.is_empty() { "nothing".to_owned() } else { format!("`{}`", exports.join("`, `")) };
        return Err(LoadError::WrongWorld { plugin: name.to_owned(), found });
    }
    Ok(())
}

fn keeps_state(name: &str, imports: &[&str], evidence: String) -> LoadError {
    let plugin = name.to_owned();
    match imports.iter().any(|import| import.starts_with("millstream:plugin/http@")) {
        true => LoadError::HttpWithState { plugin, evidence },
        false => LoadError::KeepsState { plugin, evidence },
    }
}

fn check_import(name: &str, import: &str, imports: &[&str]) -> Result<(), LoadError> {
    let forbidden = |remedy| {
        Err(LoadError::ForbiddenImport { plugin: name.to_owned(), import: import.to_owned(), remedy })
    };
    let Some((interface, version)) = import.strip_prefix(PACKAGE).and_then(|rest| rest.split_once('@'))
    else {
        return forbidden(if import.starts_with("wasi:") {
            "plugins run without WASI: build for wasm32-unknown-unknown, or with stubs in place of WASI"
        } else {
            "plugins may import millstream:plugin only"
        });
    };
    if IMPORTS_OF_STATE.contains(&interface) {
        return Err(keeps_state(name, imports, format!("imports `{import}`")));
    }
    if !IMPORTS_SERVED.contains(&interface) {
        return forbidden("this version of millstream does not have it");
    }
    if version != VERSION {
        return forbidden("this version of millstream has millstream:plugin@0.1.0: build it with that SDK");
    }
    Ok(())
}

fn typed(shared: &Shared, name: &str, component: &Component) -> Result<TransformPre<Calls>, LoadError> {
    let linked: wasmtime::Result<InstancePre<Calls>> = shared.linker.instantiate_pre(component);
    linked
        .and_then(TransformPre::new)
        .map_err(|error| LoadError::Mismatch { plugin: name.to_owned(), reason: format!("{error:#}") })
}
