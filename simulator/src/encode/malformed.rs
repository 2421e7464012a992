//! Messages that no reader can parse, as broken devices and cut connections make them.
//!
//! Each kind turns a message that is one JSON object into bytes that are no JSON, without a line feed, so that
//! a file of lines stays one.

/// Ways to break a message. Each takes it to bytes and needs a number that decides where.
const KINDS: [fn(&mut Vec<u8>, u64); 5] = [cut_off, bad_utf8, trailing_garbage, single_quotes, no_colon];

/// Breaks `payload`, one JSON object with at least one field; `entropy` decides how.
pub fn spoil(payload: &mut Vec<u8>, entropy: u64) {
    KINDS[(entropy % KINDS.len() as u64) as usize](payload, entropy / KINDS.len() as u64);
}

/// The connection went away before the end.
fn cut_off(payload: &mut Vec<u8>, entropy: u64) {
    let kept = 1 + entropy % (payload.len() as u64 - 1);
    payload.truncate(kept as usize);
}

/// A byte that no UTF-8 text contains, inside the first name.
fn bad_utf8(payload: &mut Vec<u8>, _: u64) {
    payload.insert(2, 0xff);
}

/// The rest of a message that was written over.
fn trailing_garbage(payload: &mut Vec<u8>, entropy: u64) {
    let tail = payload[payload.len() - 1 - (entropy as usize % 16).min(payload.len() - 1)..].to_vec();
    payload.extend_from_slice(&tail);
}

/// What Python prints for a dictionary.
#[expect(clippy::ptr_arg, reason = "all kinds have one signature")]
fn single_quotes(payload: &mut Vec<u8>, _: u64) {
    payload.iter_mut().filter(|byte| **byte == b'"').for_each(|byte| *byte = b'\'');
}

/// A character lost on the line: the first name's colon.
fn no_colon(payload: &mut Vec<u8>, _: u64) {
    if let Some(colon) = payload.iter().position(|&byte| byte == b':') {
        payload.remove(colon);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn whatever_the_number_the_message_is_no_json_and_has_no_line_feed() {
        for entropy in 0..1_000 {
            let mut payload = br#"{"id":"a1","location":[51.5,-0.12],"year":2024}"#.to_vec();
            spoil(&mut payload, entropy);
            let text = String::from_utf8_lossy(&payload);
            assert!(serde_json::from_slice::<Value>(&payload).is_err(), "{entropy}: {text}");
            assert!(!payload.is_empty() && !payload.contains(&b'\n'), "{entropy}: {text}");
        }
    }
}
