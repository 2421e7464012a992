//! `millstream plugin keygen`: a pair of keys in minisign's format.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use minisign::KeyPair;
use serde_json::json;

use crate::{args, out};

/// Makes the keys and writes their files, which must not be there yet.
pub fn keygen(args: &args::Keygen) -> anyhow::Result<()> {
    let pair = match args.no_password {
        true => KeyPair::generate_unencrypted_keypair(),
        false => KeyPair::generate_encrypted_keypair(super::password(&args.password)?),
    }
    .context("cannot make a pair of keys")?;
    let secret = pair.sk.to_box(Some("secret key for millstream plugins"))?.into_string();
    write_new(&args.secret_key, 0o600, &secret)?;
    write_new(&args.public_key, 0o644, &pair.pk.to_box()?.into_string())?;
    let key = pair.pk.to_base64();
    if args.json {
        return out::line(json!({
            "public_key": key,
            "public_key_file": args.public_key,
            "secret_key_file": args.secret_key,
        }));
    }
    out::line(format_args!(
        "the secret key is in {}, the public key in {}; to pin it for all plugins:\n\n[plugins.keys]\n\"*\" = \"{key}\"",
        args.secret_key.display(),
        args.public_key.display()
    ))
}

fn write_new(path: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot create {}", path.display()))
}
