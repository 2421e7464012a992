//! Plugins and configurations of steps by their digests. Files of the plugin folder and objects of the lake
//! come in, compiled plugins go out; what a step is to run gets a place in the lake before the log names it, so
//! that every worker and every restart can run it. Which version that is, is for others to decide.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as FilePath;
use std::sync::Arc;

use millstream_engine::{Engine, Plugin};
use millstream_model::Digest;
use millstream_signing::Signatures;
use object_store::path::Path;
use object_store::{ObjectStore as _, PutMode, PutPayload};

use crate::error::RunError;
use crate::lake::Lake;
use crate::signed::{self, Signed};
use crate::store::{RetryPolicy, fetch};

/// Folder of plugin bytes, by digest, in a lake.
pub const PLUGIN_FOLDER: &str = "_millstream/plugins";
/// Folder of configurations of steps, by digest, in a lake.
pub const CONFIG_FOLDER: &str = "_millstream/configs";

/// Plugins of a process, each compiled once as long as it is in use.
pub(crate) struct Library {
    engine: Engine,
    lake: Lake,
    signatures: Arc<Signatures>,
    /// By name, too: it is part of what a plugin says in messages.
    loaded: BTreeMap<(String, Digest), Plugin>,
}

impl Library {
    pub(crate) fn new(engine: Engine, lake: Lake, signatures: Arc<Signatures>) -> Self {
        Self { engine, lake, signatures, loaded: BTreeMap::new() }
    }

    /// The plugin in `file`, if it is signed as it must be, with what it was made of.
    pub(crate) fn in_folder(&mut self, name: &str, file: &FilePath) -> Result<(Plugin, Signed), RunError> {
        let signed = signed::read(&self.engine, &self.signatures, file)?;
        let plugin = self.of_bytes(name, &signed.bytes, &file.display().to_string())?;
        Ok((plugin, signed))
    }

    /// The plugin of this digest in the lake.
    pub(crate) async fn in_lake(&mut self, name: &str, digest: Digest) -> Result<Plugin, RunError> {
        if let Some(plugin) = self.loaded.get(&(name.to_owned(), digest)) {
            return Ok(plugin.clone());
        }
        let path = plugin_path(digest);
        let bytes = fetched(&self.lake, &path, digest).await?;
        signed::check_in_lake(&self.lake, &self.signatures, name, digest, &bytes).await?;
        let place = self.lake.display_path(path.as_ref());
        self.of_bytes(name, &bytes, &place)
    }

    /// The plugin that these bytes are, which come from `place`.
    pub(crate) fn of_bytes(&mut self, name: &str, bytes: &[u8], place: &str) -> Result<Plugin, RunError> {
        let key = (name.to_owned(), Digest::of(bytes));
        if let Some(plugin) = self.loaded.get(&key) {
            return Ok(plugin.clone());
        }
        let loaded = self.engine.load_bytes(name, bytes);
        let plugin = loaded.map_err(|source| RunError::Plugin { place: place.to_owned(), source })?;
        self.loaded.insert(key, plugin.clone());
        Ok(plugin)
    }

    /// True if a plugin of this name must be signed.
    pub(crate) fn demands_signature(&self, name: &str) -> bool {
        self.signatures.demand(name)
    }

    /// Forgets the plugins that are not among these.
    pub(crate) fn keep_only(&mut self, in_use: &BTreeSet<Digest>) {
        self.loaded.retain(|(_, digest), _| in_use.contains(digest));
    }

    /// Puts the bytes of a plugin into the lake, with the signature that they have.
    pub(crate) async fn store(&self, signed: Signed) -> Result<(), RunError> {
        let digest = Digest::of(&signed.bytes);
        if let Some(signature) = signed.signature {
            signed::keep_in_lake(&self.lake, &signed.name, digest, signature).await?;
        }
        create(&self.lake, &plugin_path(digest), signed.bytes).await
    }

    /// Puts the configuration of a step into the lake.
    pub(crate) async fn store_config(&self, config: &serde_json::Value) -> Result<(), RunError> {
        let text = config.to_string();
        create(&self.lake, &config_path(Digest::of(text.as_bytes())), text.into_bytes()).await
    }

    /// The configuration of this digest in the lake.
    pub(crate) async fn config(&self, digest: Digest) -> Result<serde_json::Value, RunError> {
        let path = config_path(digest);
        let bytes = fetched(&self.lake, &path, digest).await?;
        let unreadable = |reason: String| RunError::PluginBytes {
            path: self.lake.display_path(path.as_ref()),
            source: object_store::Error::Generic { store: "configurations", source: reason.into() },
        };
        let config: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        match config_digest(&config) == digest {
            true => Ok(config),
            false => Err(unreadable("it holds a number that JSON does not keep exactly".to_owned())),
        }
    }
}

/// Names a configuration of a step.
pub(crate) fn config_digest(config: &serde_json::Value) -> Digest {
    Digest::of(config.to_string().as_bytes())
}

fn plugin_path(digest: Digest) -> Path {
    Path::from(format!("{PLUGIN_FOLDER}/{digest}.wasm"))
}

fn config_path(digest: Digest) -> Path {
    Path::from(format!("{CONFIG_FOLDER}/{digest}.json"))
}

/// An object may have been damaged since it was stored.
fn check_digest(digest: Digest, bytes: bytes::Bytes) -> object_store::Result<bytes::Bytes> {
    let found = Digest::of(&bytes);
    if found == digest {
        return Ok(bytes);
    }
    let source = format!("its bytes are those of {}, not of {}", found.short(), digest.short()).into();
    Err(object_store::Error::Generic { store: "plugins", source })
}

async fn fetched(lake: &Lake, path: &Path, digest: Digest) -> Result<bytes::Bytes, RunError> {
    fetch(&lake.store(), path, RetryPolicy::default())
        .await
        .and_then(|bytes| check_digest(digest, bytes))
        .map_err(|source| RunError::PluginBytes { path: lake.display_path(path.as_ref()), source })
}

/// Creates what is named by its own digest: whatever is there already is the same.
async fn create(lake: &Lake, path: &Path, bytes: Vec<u8>) -> Result<(), RunError> {
    let payload = PutPayload::from(bytes);
    let mut attempts = RetryPolicy::default().begin();
    loop {
        match lake.store().put_opts(path, payload.clone(), PutMode::Create.into()).await {
            Ok(_)
            | Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                return Ok(());
            }
            Err(error) if attempts.go_on(&format!("create `{path}`"), &error).await => {}
            Err(source) => {
                return Err(RunError::PluginBytes { path: lake.display_path(path.as_ref()), source });
            }
        }
    }
}
