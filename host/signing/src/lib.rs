//! Whether a plugin is signed by the key that is pinned for its name. Bytes and the text of a signature in
//! minisign's format come in, yes or a reason comes out; nothing is read, fetched or remembered here, and no
//! secret key is known.

mod error;
mod pattern;
#[cfg(test)]
mod tests;

use std::str::FromStr;

use minisign_verify::{Error, Signature};

pub use error::{KeyError, PinError, SignatureError};
use pattern::Pattern;

/// What a signature's file is called: `<plugin>.wasm.minisig`.
pub const EXTENSION: &str = "minisig";

/// A minisign public key (Ed25519).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(minisign_verify::PublicKey);

impl FromStr for PublicKey {
    type Err = KeyError;

    /// Reads a key: its 56 letters, or the two lines of a `.pub` file.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let key = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        let parsed = minisign_verify::PublicKey::from_base64(key);
        parsed.map(Self).map_err(|_| KeyError)
    }
}

/// The trusted comment that binds a signature to a plugin's name: what minisign itself writes for the file
/// `<name>.wasm`.
pub fn trusted_comment(name: &str, seconds_since_epoch: u64) -> String {
    format!("timestamp:{seconds_since_epoch}\tfile:{name}.wasm\thashed")
}

/// Which plugins must be signed, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signatures {
    /// Longest first, a whole name before every beginning.
    pins: Vec<(Pattern, Vec<PublicKey>)>,
    required: bool,
}

impl Signatures {
    /// No pins yet; if `required`, a name that no pin matches is refused.
    pub fn new(required: bool) -> Self {
        Self { pins: Vec::new(), required }
    }

    /// Pins `keys`, of which any will do, for the plugins that `pattern` matches: a name, or the beginning of
    /// names with `*` behind it. Of several patterns a whole name counts before a beginning, and a long
    /// beginning before a short one.
    pub fn pin(&mut self, pattern: &str, keys: Vec<PublicKey>) -> Result<(), PinError> {
        let pattern = Pattern::parse(pattern)?;
        if keys.is_empty() {
            return Err(PinError::NoKey);
        }
        self.pins.push((pattern, keys));
        self.pins.sort_by(|(a, _), (b, _)| b.cmp(a));
        Ok(())
    }

    /// True if the plugin `name` must be signed.
    pub fn demand(&self, name: &str) -> bool {
        self.required || self.keys(name).is_some()
    }

    /// Checks that `bytes`, the plugin `name`, are signed as they must be. `signature` is the text of the
    /// file beside them, if there is one; it is not looked at where none is demanded.
    pub fn check(&self, name: &str, bytes: &[u8], signature: Option<&str>) -> Result<(), SignatureError> {
        let plugin = || name.to_owned();
        let keys = match self.keys(name) {
            Some(keys) => keys,
            None if self.required => return Err(SignatureError::NoKey { plugin: plugin() }),
            None => return Ok(()),
        };
        let signature = signature.ok_or_else(|| SignatureError::Unsigned { plugin: plugin() })?;
        let signature =
            Signature::decode(signature).map_err(|_| SignatureError::Malformed { plugin: plugin() })?;
        check_any(name, keys, bytes, &signature)?;
        // Trusted from here on: the comment is signed, too.
        check_name(name, signature.trusted_comment())
    }

    fn keys(&self, name: &str) -> Option<&[PublicKey]> {
        let (_, keys) = self.pins.iter().find(|(pattern, _)| pattern.matches(name))?;
        Some(keys)
    }
}

fn check_any(
    name: &str,
    keys: &[PublicKey],
    bytes: &[u8],
    signature: &Signature,
) -> Result<(), SignatureError> {
    let plugin = name.to_owned();
    let mut failure = SignatureError::AnotherKey { plugin: plugin.clone() };
    for PublicKey(key) in keys {
        match key.verify(bytes, signature, false) {
            Ok(()) => return Ok(()),
            Err(Error::UnexpectedKeyId) => {}
            Err(Error::UnexpectedAlgorithm) => failure = SignatureError::Legacy { plugin: plugin.clone() },
            Err(_) => failure = SignatureError::Altered { plugin: plugin.clone() },
        }
    }
    Err(failure)
}

/// The comment's `file:` must be the plugin's: otherwise a plugin could be put in the place of another one.
fn check_name(name: &str, comment: &str) -> Result<(), SignatureError> {
    let mut files = comment.split('\t').filter_map(|part| part.strip_prefix("file:"));
    let plugin = name.to_owned();
    match (files.next(), files.next()) {
        (Some(file), None) if file.strip_suffix(".wasm") == Some(name) => Ok(()),
        (Some(file), None) => Err(SignatureError::AnotherName { plugin, signed: file.to_owned() }),
        _ => Err(SignatureError::NoName { plugin }),
    }
}
