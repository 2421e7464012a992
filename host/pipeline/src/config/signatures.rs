//! The keys `[plugins.keys]` and `plugins.require_signature`: whose signature a plugin must have.

use std::collections::BTreeMap;

use millstream_signing::{PublicKey, Signatures};

use super::check::resolve;
use super::typed::{self, PinnedKey, PinnedKeys};
use millstream_settings::{ConfigError, Document};

/// Reads the keys that are pinned for plugins' names.
pub(super) fn signatures(
    document: &Document,
    require_signature: bool,
    typed: BTreeMap<String, typed::PinnedKeys>,
) -> Result<Signatures, ConfigError> {
    let mut signatures = Signatures::new(require_signature);
    for (pattern, keys) in typed {
        let place = ["plugins", "keys", pattern.as_str()];
        let keys = match keys {
            PinnedKeys::One(key) => vec![key],
            PinnedKeys::Any(keys) => keys,
        };
        let keys: Result<Vec<_>, _> = keys.into_iter().map(|key| public_key(document, key)).collect();
        let keys = keys.map_err(|message| document.error(&place, message))?;
        signatures.pin(&pattern, keys).map_err(|error| document.error(&place, error.to_string()))?;
    }
    Ok(signatures)
}

fn public_key(document: &Document, key: PinnedKey) -> Result<PublicKey, String> {
    match key {
        PinnedKey::Text(text) => text.parse().map_err(|error| {
            format!("{error}; expected the key itself, or {{ file = \"…\" }} of a file that holds it")
        }),
        PinnedKey::File(typed::KeyFile { file }) => {
            let path = resolve(document, file);
            let shown = path.display();
            let text =
                std::fs::read_to_string(&path).map_err(|error| format!("cannot read {shown}: {error}"))?;
            text.parse().map_err(|error| format!("{shown}: {error}"))
        }
    }
}
