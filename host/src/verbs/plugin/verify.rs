//! `millstream plugin verify`: what a run would say of a plugin's signature, and nothing else of the plugin.

use std::path::Path;

use anyhow::{Context as _, bail};
use millstream_pipeline::config::Config;
use millstream_pipeline::signed;
use millstream_signing::{PublicKey, Signatures};
use serde_json::json;

use crate::{args, out};

/// Checks the signature beside the file.
pub fn verify(args: &args::VerifyPlugin) -> anyhow::Result<()> {
    let name = super::name(&args.file)?;
    let signatures = match &args.public_key {
        Some(key) => of_key(&name, key)?,
        None => {
            Config::read_without_steps(&args.config.config, std::env::vars())?.signatures.as_ref().clone()
        }
    };
    if !signatures.demand(&name) {
        bail!(
            "no signature is demanded of plugin `{name}`: no key is pinned for it; name one by --public-key"
        );
    }
    let bytes = super::bytes(&args.file)?;
    signatures.check(&name, &bytes, signed::signature_beside(&args.file)?.as_deref())?;
    if args.json {
        return out::line(json!({ "plugin": name, "file": args.file, "signed": true }));
    }
    out::line(format_args!("{} is signed as plugin `{name}` must be", args.file.display()))
}

fn of_key(name: &str, key: &str) -> anyhow::Result<Signatures> {
    let read = || std::fs::read_to_string(Path::new(key)).with_context(|| format!("cannot read {key}"));
    let key: PublicKey = match key.parse() {
        Ok(key) => key,
        Err(_) => read()?.parse().with_context(|| format!("in {key}"))?,
    };
    let mut signatures = Signatures::new(true);
    signatures.pin(name, vec![key])?;
    Ok(signatures)
}
