//! Bytes of entries and snapshots: JSON on one line, with a format version that is looked at before
//! anything else. Encoding is deterministic, so that the digest of an entry's bytes names it.

use bytes::Bytes;
use millstream_model::Digest;
use millstream_model::entry::{Entry, FORMAT, FORMAT_OLDEST};
use serde::{Deserialize, Serialize};

use crate::state::LogState;

/// Why bytes are no entry or snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A later version of Millstream wrote it; upgrade.
    #[error("written by a newer millstream, format {found}; this one reads up to {FORMAT}: upgrade this one")]
    Newer {
        /// Format of the bytes.
        found: u32,
    },
    /// The state of a snapshot is not the one that was written.
    #[error("it was altered: its state has another digest than it says; put it back from a backup")]
    Altered,
    /// The bytes do not have the shape of the format they claim.
    #[error("not a checkpoint record of format {FORMAT}: {reason}")]
    Malformed {
        /// What is wrong, with line and column.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Version {
    format: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Snapshot {
    #[serde(rename = "format")]
    _format: u32,
    /// Of the bytes of `state`; none in format 1.
    digest: Option<Digest>,
    state: LogState,
}

/// What stands before the state in a snapshot; behind it stands [`TAIL`].
const STATE: &[u8] = b"\"state\":";
const TAIL: &[u8] = b"}\n";

/// The bytes of an entry: one line of JSON with its newline.
pub fn encode_entry(entry: &Entry) -> Bytes {
    line(entry)
}

/// Reads an entry.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, FormatError> {
    check_version(bytes)?;
    parse(bytes)
}

/// The bytes of a snapshot: the folded state behind its head entry, with its digest. Nothing else vouches for
/// it once the entries before it are deleted.
pub fn encode_snapshot(state: &LogState) -> Bytes {
    let state = serde_json::to_vec(state).expect("keys are strings or numbers, so it is JSON");
    let mut bytes = format!(r#"{{"format":{FORMAT},"digest":"{}","#, Digest::of(&state)).into_bytes();
    bytes.extend([STATE, &state, TAIL].concat());
    bytes.into()
}

/// Reads a snapshot.
pub fn decode_snapshot(bytes: &[u8]) -> Result<LogState, FormatError> {
    if check_version(bytes)? == 1 {
        return decode_first_snapshot(bytes);
    }
    let Snapshot { digest, state, .. } = parse(bytes)?;
    let begin = bytes.windows(STATE.len()).position(|window| window == STATE).map(|at| at + STATE.len());
    let end = bytes.strip_suffix(TAIL).map(<[u8]>::len);
    let found = begin.zip(end).and_then(|(begin, end)| bytes.get(begin..end)).map(Digest::of);
    match digest.is_some() && found == digest {
        true => Ok(state),
        false => Err(FormatError::Altered),
    }
}

/// Format 1 kept replaced files by session, without the time.
fn decode_first_snapshot(bytes: &[u8]) -> Result<LogState, FormatError> {
    let mut snapshot: serde_json::Value = parse(bytes)?;
    let state = &mut snapshot["state"];
    let removed = state.as_object_mut().and_then(|state| state.remove("removed"));
    let paths =
        removed.iter().flat_map(|sessions| sessions.as_object()).flat_map(|sessions| sessions.values());
    let paths = paths.flat_map(|paths| paths.as_array()).flatten().filter_map(serde_json::Value::as_str);
    state["replaced"] =
        paths.map(|path| (path.to_owned(), 0.into())).collect::<serde_json::Map<_, _>>().into();
    state["format"] = 1.into();
    let snapshot = serde_json::from_value::<Snapshot>(snapshot).map_err(|error| malformed(&error))?;
    Ok(snapshot.state)
}

fn check_version(bytes: &[u8]) -> Result<u32, FormatError> {
    let Version { format } = parse(bytes)?;
    match format {
        FORMAT_OLDEST..=FORMAT => Ok(format),
        found if found > FORMAT => Err(FormatError::Newer { found }),
        found => Err(FormatError::Malformed { reason: format!("there is no format {found}") }),
    }
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, FormatError> {
    serde_json::from_slice(bytes).map_err(|error| malformed(&error))
}

fn malformed(error: &serde_json::Error) -> FormatError {
    FormatError::Malformed { reason: error.to_string() }
}

fn line(value: &impl Serialize) -> Bytes {
    let mut bytes = serde_json::to_vec(value).expect("keys are strings or numbers, so it is JSON");
    bytes.push(b'\n');
    bytes.into()
}
