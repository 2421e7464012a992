//! Makes a recorded message new: a fresh `id`, a present `timestamp`, everything else byte for byte.
//!
//! Ids are a pure function of seed and sequence number, so the same command sends the same ids again.

use std::ops::Range;

use jiff::Timestamp;

use crate::recording::RecordedMessage;

/// What to change in each message before it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Edits {
    /// The seed of new ids; `None` keeps the recorded ones.
    pub fresh_ids: Option<u64>,
    /// Whether `timestamp` becomes the moment of sending, in UTC.
    pub present_time: bool,
}

/// A message ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// The event's id; `None` where the recorded line has no `id` that is a plain string.
    pub key: Option<Vec<u8>>,
    /// The line, without line feed.
    pub payload: Vec<u8>,
}

impl Edits {
    /// Message number `sequence` (counted from 0 through all passes and topics), sent at `now`.
    pub fn apply(&self, recorded: &RecordedMessage, sequence: u64, now: Timestamp) -> Message {
        let mut changes: Vec<(Range<usize>, String)> = Vec::with_capacity(2);
        if let (Some(seed), Some(place)) = (self.fresh_ids, &recorded.id) {
            changes.push((place.clone(), fresh_id(seed, sequence)));
        }
        if let (true, Some(place)) = (self.present_time, &recorded.timestamp) {
            changes.push((place.clone(), now.strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string()));
        }
        let key = match (changes.first(), &recorded.id) {
            (Some((place, fresh)), Some(id)) if place == id => Some(fresh.clone().into_bytes()),
            (_, id) => id.clone().map(|id| recorded.payload[id].to_vec()),
        };
        Message { key, payload: splice(&recorded.payload, changes) }
    }
}

fn splice(payload: &[u8], mut changes: Vec<(Range<usize>, String)>) -> Vec<u8> {
    changes.sort_by_key(|(place, _)| place.start);
    let mut spliced = Vec::with_capacity(payload.len() + 64);
    let mut copied = 0;
    for (place, text) in changes {
        spliced.extend_from_slice(&payload[copied..place.start]);
        spliced.extend_from_slice(text.as_bytes());
        copied = place.end;
    }
    spliced.extend_from_slice(&payload[copied..]);
    spliced
}

/// A UUID (version 4 in form) of 122 mixed bits; distinct sequence numbers of one seed give distinct ids,
/// for all practical purposes.
fn fresh_id(seed: u64, sequence: u64) -> String {
    let high = mix(mix(seed) ^ sequence);
    let low = mix(high ^ sequence.rotate_left(32));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}

/// The output function of SplitMix64 (Steele, Lea, Flood 2014): a bijection whose every output bit depends
/// on every input bit.
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const LINE: &str = r#"{"timestamp":"2026-01-01T08:00:38", "speed": 1.50, "id": "old"}"#;

    fn check(edits: Edits, line: &str, key: Option<&str>, payload: &str) {
        let now: Timestamp = "2026-11-21T12:00:00.000007Z".parse().unwrap();
        let message = edits.apply(&RecordedMessage::new(line.into()), 0, now);
        assert_eq!(message, Message { key: key.map(Into::into), payload: payload.into() });
    }

    #[test]
    fn only_id_and_timestamp_change() {
        let id = fresh_id(42, 0);
        let keep = Edits { fresh_ids: None, present_time: false };
        let fresh = Edits { fresh_ids: Some(42), ..keep };
        let present = Edits { present_time: true, ..keep };
        let time = "2026-11-21T12:00:00.000007";
        check(keep, LINE, Some("old"), LINE);
        check(fresh, LINE, Some(&id), &LINE.replace("old", &id));
        check(present, LINE, Some("old"), &LINE.replace("2026-01-01T08:00:38", time));
        let both = LINE.replace("2026-01-01T08:00:38", time).replace("old", &id);
        check(Edits { fresh_ids: Some(42), present_time: true }, LINE, Some(&id), &both);
        check(Edits { fresh_ids: Some(42), present_time: true }, "{broken", None, "{broken");
    }

    #[test]
    fn ids_are_distinct_reproducible_and_shaped_like_uuids() {
        let ids: HashSet<String> = (0..100_000).map(|sequence| fresh_id(7, sequence)).collect();
        assert_eq!(ids.len(), 100_000);
        assert!(ids.contains(&fresh_id(7, 99)) && !ids.contains(&fresh_id(8, 99)));
        for id in ids {
            let lengths: Vec<usize> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
            assert!(id.as_bytes()[14] == b'4' && b"89ab".contains(&id.as_bytes()[19]), "{id}");
        }
    }
}
