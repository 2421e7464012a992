//! What can be said of the signature beside a plugin's file: whose it is, and whether it is one that is pinned.

use std::path::Path;

use base64::Engine as _;
use millstream_pipeline::signed;
use millstream_signing::Signatures;
use serde::Serialize;

/// Bytes of a signature's algorithm and of its key's id, which are what it begins with.
const ALGORITHM_BYTES: usize = 2;
const KEY_ID_BYTES: usize = 8;

/// What is known of a plugin's signature.
#[derive(Debug, Serialize)]
pub(super) struct Signature {
    pub(super) state: State,
    /// Id of the key that made it, as minisign prints it.
    pub(super) key_id: Option<String>,
    /// What is wrong, if it is refused.
    pub(super) problem: Option<String>,
}

/// How a signature stands to the keys of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// None lies beside the file, and none is demanded.
    Unsigned,
    /// One lies there, and no key is pinned that it could be held against.
    Unchecked,
    /// It was made by a key that is pinned for the plugin's name.
    Valid,
    /// A run would refuse the plugin for it, or for the lack of it.
    Refused,
}

impl State {
    /// The state in a word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::Unchecked => "not checked",
            Self::Valid => "valid",
            Self::Refused => "refused",
        }
    }
}

impl Signature {
    /// Looks at the signature beside `file`, which holds the plugin `name` with these bytes.
    pub(super) fn of(signatures: &Signatures, name: &str, file: &Path, bytes: &[u8]) -> anyhow::Result<Self> {
        let text = signed::signature_beside(file)?;
        let key_id = text.as_deref().and_then(key_id);
        let problem = signatures.check(name, bytes, text.as_deref()).err().map(|error| error.to_string());
        let state = match (&problem, &text) {
            (Some(_), _) => State::Refused,
            (None, None) => State::Unsigned,
            (None, Some(_)) if signatures.demand(name) => State::Valid,
            (None, Some(_)) => State::Unchecked,
        };
        Ok(Self { state, key_id, problem })
    }

    /// All of it in a line.
    pub(super) fn words(&self) -> String {
        let key = self.key_id.as_deref().map_or("an unknown key".to_owned(), |id| format!("key {id}"));
        match (self.state, &self.problem) {
            (State::Refused, Some(problem)) => format!("refused: {problem}"),
            (State::Refused, None) => "refused".to_owned(),
            (State::Unsigned, _) => "unsigned".to_owned(),
            (State::Unchecked, _) => {
                format!("made by {key}, not checked: no key is pinned for this name in [plugins.keys]")
            }
            (State::Valid, _) => format!("valid, made by {key}, which is pinned for this name"),
        }
    }
}

/// Id of the key that made the signature with this text, as minisign prints it: a number, little end first.
fn key_id(signature: &str) -> Option<String> {
    let line = signature.lines().nth(1)?.trim();
    let bytes = base64::engine::general_purpose::STANDARD.decode(line).ok()?;
    let id = bytes.get(ALGORITHM_BYTES..ALGORITHM_BYTES + KEY_ID_BYTES)?;
    Some(format!("{:016X}", u64::from_le_bytes(id.try_into().ok()?)))
}
