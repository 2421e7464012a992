//! `millstream plugin sign`: a detached signature beside each plugin, as stock minisign makes and reads it.

use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;
use base64::Engine as _;
use millstream_signing::{EXTENSION, trusted_comment};
use minisign::{SecretKey, SecretKeyBox};
use serde_json::json;

use crate::{args, out};

/// Length of the checksum at the end of a secret key.
const CHECKSUM_BYTES: usize = 32;

/// Signs the files, each for its own name.
pub fn sign(args: &args::Sign) -> anyhow::Result<()> {
    // Before anything is asked or written.
    let names = args.files.iter().map(|file| super::name(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let key = secret_key(args)?;
    for (file, name) in args.files.iter().zip(&names) {
        let signature = file.with_extension(format!("wasm.{EXTENSION}"));
        let bytes = super::bytes(file)?;
        let text = signed(&key, name, &bytes)?;
        replace(&signature, &text).with_context(|| format!("cannot write {}", signature.display()))?;
        if args.json {
            out::line(json!({ "plugin": name, "file": file, "signature": signature }))?;
        } else {
            out::line(format_args!(
                "signed {} for plugin `{name}`: {}",
                file.display(),
                signature.display()
            ))?;
        }
    }
    Ok(())
}

fn signed(key: &SecretKey, name: &str, bytes: &[u8]) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let comment = trusted_comment(name, now.as_secs());
    let untrusted = format!("signature of millstream plugin {name}");
    let signed = minisign::sign(None, key, bytes, Some(&comment), Some(&untrusted));
    Ok(signed.context("cannot sign")?.into_string())
}

fn secret_key(args: &args::Sign) -> anyhow::Result<SecretKey> {
    let shown = args.secret_key.display();
    let text = std::fs::read_to_string(&args.secret_key).with_context(|| format!("cannot read {shown}"))?;
    let unusable = || format!("cannot use the secret key in {shown}");
    if let Ok(key) = SecretKeyBox::from_string(&text).and_then(SecretKeyBox::into_unencrypted_secret_key) {
        return Ok(key);
    }
    if let Some(key) = without_checksum(&text) {
        return Ok(key);
    }
    let password = super::password(&args.password)?;
    SecretKeyBox::from_string(&text).and_then(|key| key.into_secret_key(password)).with_context(unusable)
}

/// A key that is not encrypted, as stock minisign writes it: it leaves the checksum empty, which the library
/// takes for damage.
fn without_checksum(text: &str) -> Option<SecretKey> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text.lines().nth(1)?.trim()).ok()?;
    let (_, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
    let key = SecretKey::from_bytes(&bytes).ok()?;
    (checksum == &[0; CHECKSUM_BYTES] && !key.is_encrypted()).then_some(key)
}

/// Whoever watches the folder sees the old signature or the new one, never half of one.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    std::fs::write(&unfinished, text)?;
    std::fs::rename(&unfinished, path)
}
