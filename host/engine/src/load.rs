//! From the bytes of a `.wasm` file to a plugin that is known to be of a world this host serves: a core
//! module becomes a component, imports and exports are checked by name, then it is compiled (or found
//! compiled) and asked to describe itself. No stream is known here.

use std::fs::FileType;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_model::Digest;
use semver::Version;
use wasmtime::component::{Component, InstancePre};
use wit_component::ComponentEncoder;

use crate::bindings::TransformPre;
use crate::calls::Calls;
use crate::engine::{Engine, Shared};
use crate::instance::{Program, Running, StartError};
use crate::limits::{Limits, size};
use crate::plugin::Plugin;
use crate::symbols::Symbols;

pub(crate) const PACKAGE: &str = "millstream:plugin/";
/// Version of the package that this host has.
pub(crate) const VERSION: &str = "0.1.0";
const INTERFACES: [&str; 9] =
    ["types", "batches", "log", "metrics", "lookup", "http", "clock", "state", "timers"];
const OF_STATE: [&str; 4] = ["clock", "state", "timers", "timed"];

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
    /// It is no file whose bytes have an end: a folder, a pipe, a device.
    #[error("{} is {kind}, expected the file of a plugin", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
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
    /// It exports no plugin.
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
    /// It is for a version of the interface that this host does not have.
    #[error(
        "plugin `{plugin}` was built for millstream:plugin@{needs} (it {evidence}), and this millstream has \
         {VERSION}: {}",
        if *newer {
            format!("upgrade to a millstream with millstream:plugin@{needs}, or build the plugin with the SDK of {VERSION}")
        } else {
            format!("build it again with the SDK of {VERSION}")
        }
    )]
    OtherVersion {
        /// Name the plugin was loaded by.
        plugin: String,
        /// The version that it needs.
        needs: String,
        /// The import or export that shows it.
        evidence: String,
        /// It is newer than the host.
        newer: bool,
    },
    /// It needs what a later compatible version of the interface has.
    #[error(
        "plugin `{plugin}` was built for millstream:plugin@{needs}, of which this millstream, with {VERSION}, does \
         not have all that it uses ({missing}): upgrade to a millstream with millstream:plugin@{needs} or later, or \
         build the plugin with the SDK of {VERSION}"
    )]
    TooNew {
        /// Name the plugin was loaded by.
        plugin: String,
        /// The version that it needs.
        needs: String,
        /// What is not there.
        missing: String,
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
        "plugin `{plugin}` does not fit the worlds of millstream:plugin@{VERSION}: {reason}; build it with the \
         SDK of this version of millstream"
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
        self.load_bytes(&name_of(path), &self.read(path)?)
    }

    /// The bytes of a plugin's file, unless they are too many.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        let bytes = size_of_file(path)?;
        let limit = self.shared.settings.plugin_bytes_max;
        if bytes > limit as u64 {
            return Err(LoadError::TooLarge { plugin: name_of(path), bytes, limit });
        }
        std::fs::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })
    }

    /// Loads a plugin: a component of one of the package's worlds, or the core module that a compiler made, which
    /// becomes one here. Compiles on the calling thread and its helpers, which may take seconds.
    pub fn load_bytes(&self, name: &str, bytes: &[u8]) -> Result<Plugin, LoadError> {
        let limit = self.shared.settings.plugin_bytes_max;
        if bytes.len() > limit {
            return Err(LoadError::TooLarge { plugin: name.to_owned(), bytes: bytes.len() as u64, limit });
        }
        let digest = Digest::of(bytes);
        let component = compiled(&self.shared, name, bytes, &digest)?;
        let world = check_world(&self.shared, name, &component)?;
        let transform = typed(&self.shared, name, &component, &world)?;
        let symbols = Arc::new(Symbols::of(bytes, !is_component(name, bytes)?));
        let program = Program { name: Arc::from(name), transform, symbols, is_timed: world.is_timed };
        let about = Running::describe(&self.shared, &program, &Limits::default())?;
        Ok(Plugin::new(self.clone(), program, world, digest, bytes.len(), about))
    }
}

/// Size of a plugin's file, in bytes. Folders, pipes and devices are refused: reading one of these may wait for ever.
pub fn size_of_file(path: &Path) -> Result<u64, LoadError> {
    let metadata = std::fs::metadata(path);
    let metadata = metadata.map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    match no_file(metadata.file_type()) {
        Some(kind) => Err(LoadError::NotAFile { path: path.to_owned(), kind }),
        None => Ok(metadata.len()),
    }
}

/// What is there in place of a file.
fn no_file(found: FileType) -> Option<&'static str> {
    match () {
        () if found.is_file() => None,
        () if found.is_dir() => Some("a folder"),
        () if found.is_fifo() => Some("a pipe"),
        () if found.is_socket() => Some("a socket"),
        () => Some("a device"),
    }
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn compiled(shared: &Shared, name: &str, bytes: &[u8], digest: &Digest) -> Result<Component, LoadError> {
    let is_component = is_component(name, bytes)?;
    if let Some(component) = shared.cache.as_ref().and_then(|cache| cache.get(&shared.wasmtime, digest)) {
        return Ok(component);
    }
    let encoded = if is_component { None } else { Some(component_of_module(shared, name, bytes)?) };
    let bytes = encoded.as_deref().unwrap_or(bytes);
    let compile = || Component::from_binary(&shared.wasmtime, bytes);
    let component = match &shared.cache {
        Some(cache) => cache.compile(bytes, compile),
        None => compile(),
    };
    let component = component
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

/// What the names of a plugin's imports and exports say.
pub(crate) struct World {
    pub(crate) imports_http: bool,
    /// The import or export that shows that it keeps state.
    pub(crate) state_evidence: Option<String>,
    pub(crate) is_timed: bool,
    pub(crate) migrates: bool,
    /// The latest version among them.
    needs: Version,
}

/// An import or export of the package.
struct Part<'a> {
    interface: &'a str,
    version: Version,
    /// As `imports ...`.
    evidence: String,
}

fn part<'a>(verb: &str, name: &'a str) -> Option<Part<'a>> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
    Some(Part { interface, version: Version::parse(version).ok()?, evidence: format!("{verb} `{name}`") })
}

/// Checks imports and exports by name, so that messages can say what is wrong. A version that is compatible
/// with this host's passes, older or newer: whether all that it uses is there shows when it is linked.
fn check_world(shared: &Shared, name: &str, component: &Component) -> Result<World, LoadError> {
    let ty = component.component_type();
    let exports: Vec<&str> = ty.exports(&shared.wasmtime).map(|(export, _)| export).collect();
    let imports: Vec<&str> = ty.imports(&shared.wasmtime).map(|(import, _)| import).collect();
    let mut parts: Vec<Part<'_>> = Vec::new();
    for import in imports {
        parts.push(part("imports", import).ok_or_else(|| foreign(name, import))?);
    }
    parts.extend(exports.iter().filter_map(|export| part("exports", export)));
    let own = version();
    for part in &parts {
        check_version(name, part, &own)?;
    }
    let has = |interface: &str, verb: &str| {
        parts.iter().any(|part| part.interface == interface && part.evidence.starts_with(verb))
    };
    if !has("plugin", "exports") {
        let found =
            if exports.is_empty() { "nothing".to_owned() } else { format!("`{}`", exports.join("`, `")) };
        return Err(LoadError::WrongWorld { plugin: name.to_owned(), found });
    }
    let of_state = parts.iter().find(|part| OF_STATE.contains(&part.interface));
    let world = World {
        imports_http: has("http", "imports"),
        state_evidence: of_state.map(|part| part.evidence.clone()),
        is_timed: has("timed", "exports"),
        migrates: has("migration", "exports"),
        needs: parts.iter().map(|part| part.version.clone()).max().unwrap_or(own),
    };
    match &world.state_evidence {
        Some(evidence) if world.imports_http => {
            Err(LoadError::HttpWithState { plugin: name.to_owned(), evidence: evidence.clone() })
        }
        _ => Ok(world),
    }
}

/// The version of the package that this host has.
fn version() -> Version {
    Version::parse(VERSION).expect("the host's own version is written as versions are")
}

/// Refuses versions that this host is not compatible with, and interfaces that it does not have.
fn check_version(name: &str, part: &Part<'_>, own: &Version) -> Result<(), LoadError> {
    let compatible = own.major == part.version.major && (own.major > 0 || own.minor == part.version.minor);
    let (plugin, needs) = (name.to_owned(), part.version.to_string());
    if !compatible {
        let newer = part.version > *own;
        return Err(LoadError::OtherVersion { plugin, needs, evidence: part.evidence.clone(), newer });
    }
    let is_known = INTERFACES.contains(&part.interface) || part.evidence.starts_with("exports");
    match is_known {
        true => Ok(()),
        false if part.version > *own => {
            Err(LoadError::TooNew { plugin, needs, missing: format!("interface `{}`", part.interface) })
        }
        false => Err(LoadError::Mismatch {
            plugin,
            reason: format!("it {}, which is not part of that version", part.evidence),
        }),
    }
}

/// Refuses an import that is not of the package.
fn foreign(name: &str, import: &str) -> LoadError {
    let remedy = match import.starts_with("wasi:") {
        true => "plugins run without WASI: build for wasm32-unknown-unknown, or with stubs in place of WASI",
        false => "plugins may import millstream:plugin only",
    };
    LoadError::ForbiddenImport { plugin: name.to_owned(), import: import.to_owned(), remedy }
}

fn typed(
    shared: &Shared,
    name: &str,
    component: &Component,
    world: &World,
) -> Result<TransformPre<Calls>, LoadError> {
    let linked: wasmtime::Result<InstancePre<Calls>> = shared.linker.instantiate_pre(component);
    linked.and_then(TransformPre::new).map_err(|error| {
        let (plugin, reason) = (name.to_owned(), format!("{error:#}"));
        match world.needs > version() {
            true => LoadError::TooNew { plugin, needs: world.needs.to_string(), missing: reason },
            false => LoadError::Mismatch { plugin, reason },
        }
    })
}
