//! Plugins' signatures on their way: the file beside a plugin in the plugin folder, the object beside its
//! bytes in the lake. Every plugin that is loaded goes through here; whether a signature is right is decided
//! by [`Signatures`].

use std::io;
use std::path::Path as FilePath;

use millstream_engine::{Engine, Plugin};
use millstream_model::Digest;
use millstream_signing::{EXTENSION, SignatureError, Signatures};
use object_store::path::Path;
use object_store::{ObjectStore as _, PutMode, PutPayload};

use crate::error::RunError;
use crate::lake::Lake;
use crate::library::PLUGIN_FOLDER;
use crate::store::{RetryPolicy, fetch};

/// Largest signature that is read, in bytes; one of minisign's has about 300.
const SIGNATURE_BYTES_MAX: u64 = 4 << 10;

/// A plugin's file as it was read: what is checked is what is loaded and kept, even if the file changes
/// meanwhile.
pub(crate) struct Signed {
    /// Name of the plugin.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Its signature; none if none is demanded.
    pub(crate) signature: Option<String>,
}

/// Reads the plugin in `file`, if it is signed as it must be.
pub(crate) fn read(engine: &Engine, signatures: &Signatures, file: &FilePath) -> Result<Signed, RunError> {
    let place = || file.display().to_string();
    let name = file.file_stem().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    let bytes = engine.read(file).map_err(|source| RunError::Plugin { place: place(), source })?;
    if !signatures.demand(&name) {
        return Ok(Signed { name, bytes, signature: None });
    }
    let signature = signature_beside(file)?;
    check(signatures, &name, &bytes, signature.as_deref(), place())?;
    Ok(Signed { name, bytes, signature })
}

/// Loads the plugin in `file`, if it is signed as it must be.
pub(crate) fn load(engine: &Engine, signatures: &Signatures, file: &FilePath) -> Result<Plugin, RunError> {
    let Signed { name, bytes, .. } = read(engine, signatures, file)?;
    let failed = |source| RunError::Plugin { place: file.display().to_string(), source };
    engine.load_bytes(&name, &bytes).map_err(failed)
}

/// Checks `bytes`, the plugin `name` as it lies in the lake at the digest's path, against the signature that
/// lies beside it.
pub(crate) async fn check_in_lake(
    lake: &Lake,
    signatures: &Signatures,
    name: &str,
    digest: Digest,
    bytes: &[u8],
) -> Result<(), RunError> {
    if !signatures.demand(name) {
        return Ok(());
    }
    let path = path_in_lake(name, digest);
    let signature = match fetch(&lake.store(), &path, RetryPolicy::default()).await {
        Ok(found) => Some(String::from_utf8_lossy(&found).into_owned()),
        Err(object_store::Error::NotFound { .. }) => None,
        Err(source) => return Err(RunError::PluginBytes { path: lake.display_path(path.as_ref()), source }),
    };
    check(signatures, name, bytes, signature.as_deref(), lake.display_path(path.as_ref()))
}

/// Stores the signature of a plugin beside its bytes in the lake, so that workers that take the plugin from
/// there can check it. A newer signature takes the place of an older one.
pub(crate) async fn keep_in_lake(
    lake: &Lake,
    name: &str,
    digest: Digest,
    signature: String,
) -> Result<(), RunError> {
    let path = path_in_lake(name, digest);
    let payload = PutPayload::from(signature);
    let mut attempts = RetryPolicy::default().begin();
    loop {
        match lake.store().put_opts(&path, payload.clone(), PutMode::Overwrite.into()).await {
            Ok(_) => return Ok(()),
            Err(error) if attempts.go_on(&format!("write `{path}`"), &error).await => {}
            Err(source) => {
                return Err(RunError::PluginBytes { path: lake.display_path(path.as_ref()), source });
            }
        }
    }
}

/// The name is part of it: equal bytes may be signed for several names.
fn path_in_lake(name: &str, digest: Digest) -> Path {
    Path::from(format!("{PLUGIN_FOLDER}/{digest}.{name}.wasm.{EXTENSION}"))
}

/// The text of the signature beside `file`; none if there is no such file.
pub fn signature_beside(file: &FilePath) -> Result<Option<String>, RunError> {
    let path = file.with_extension(format!("wasm.{EXTENSION}"));
    let read = std::fs::metadata(&path).and_then(|found| match found.len() > SIGNATURE_BYTES_MAX {
        true => Ok(Vec::new()),
        false => std::fs::read(&path),
    });
    match read {
        // What is too long or no text is no signature, and that is what will be said of it.
        Ok(bytes) => Ok(Some(String::from_utf8(bytes).unwrap_or_default())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RunError::SignatureFile { path: path.display().to_string(), source }),
    }
}

fn check(
    signatures: &Signatures,
    name: &str,
    bytes: &[u8],
    signature: Option<&str>,
    place: String,
) -> Result<(), RunError> {
    signatures
        .check(name, bytes, signature)
        .map_err(|source: SignatureError| RunError::Signature { place, source })
}
