//! What the verbs about one plugin have in common: its file, and an engine that runs it as a stream would.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use millstream_engine::{Engine, LoadError, Plugin};
use millstream_model::Digest;
use millstream_pipeline::config::{Config, ConfigError};
use millstream_toolchain::cache_folder;

use super::build;
use crate::args::ConfigFile;

/// Compiled plugins in the user's cache folder.
const COMPILED_FOLDER: &str = "compiled";

/// The file of a plugin: `path` itself, or what is built of it if it is a plugin's folder.
pub(super) async fn wasm_file(path: &Path) -> anyhow::Result<PathBuf> {
    if path.is_dir() { build::of_folder(path).await } else { Ok(path.to_owned()) }
}

/// The configuration, if there is one where it is looked for.
pub(super) fn config_if_any(file: &ConfigFile) -> anyhow::Result<Option<Config>> {
    match Config::read(&file.config, std::env::vars()) {
        Ok(config) => Ok(Some(config)),
        Err(ConfigError::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// An engine as the configuration's streams have it; without one, of the defaults, with the user's cache of compiled
/// plugins, in which plugins that ask servers can be looked at and get no answer.
pub(super) fn engine(config: Option<&Config>) -> anyhow::Result<Engine> {
    match config {
        Some(config) => crate::verbs::engine(config),
        None => {
            let folder = cache_folder()?;
            let made = std::fs::create_dir_all(&folder);
            made.with_context(|| {
                let folder = folder.display();
                format!(
                    "cannot make the folder of caches {folder}; another one can be named by MILLSTREAM_CACHE"
                )
            })?;
            Ok(millstream_testkit::engine(Some(folder.join(COMPILED_FOLDER)))?)
        }
    }
}

/// An engine to try plugins in, with its cache of compiled plugins in `cache_dir`. Nobody answers their requests,
/// which could change something elsewhere, unless there is a `network`: the configuration whose secrets they go out
/// with.
pub(super) fn engine_for_trials(
    network: Option<&Config>,
    cache_dir: Option<PathBuf>,
) -> anyhow::Result<Engine> {
    match network {
        Some(config) => crate::verbs::engine(&Config { cache_dir, ..config.clone() }),
        None => Ok(millstream_testkit::engine(cache_dir)?),
    }
}

/// A plugin that was just loaded.
pub(super) struct Loaded {
    pub(super) plugin: Plugin,
    pub(super) bytes: Vec<u8>,
    /// How long that took: compiling, or reading what is compiled, and asking the plugin for its name.
    pub(super) time: Duration,
    /// True if it lay compiled in the cache.
    pub(super) was_compiled: bool,
}

/// Loads the plugin in `file`.
pub(super) fn load(engine: &Engine, file: &Path) -> Result<Loaded, LoadError> {
    let bytes = engine.read(file)?;
    let was_compiled = engine.has_compiled(&Digest::of(&bytes));
    let name = file.file_stem().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    let began = Instant::now();
    let plugin = engine.load_bytes(&name, &bytes)?;
    Ok(Loaded { plugin, bytes, time: began.elapsed(), was_compiled })
}
