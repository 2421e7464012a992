//! Messages that are JSON and not what was agreed: the mistakes that a producer really sent for months.
//!
//! They are made in the text that `json` writes: names and values in double quotes, nothing between them but
//! colons and commas.

/// Ways to misspell a message; each says whether the message had what it changes.
const KINDS: [fn(&mut Vec<u8>) -> bool; 5] = [locatoin, mode, year_as_text, actice, no_timestamp];

/// Misspells `payload`, an event as `json` writes it; `entropy` picks the way among those that change it.
pub fn misspell(payload: &mut Vec<u8>, entropy: u64) {
    let first = (entropy % KINDS.len() as u64) as usize;
    let mut ways = KINDS.iter().cycle().skip(first).take(KINDS.len());
    ways.any(|misspell| misspell(payload));
}

fn locatoin(payload: &mut Vec<u8>) -> bool {
    replace(payload, br#""location":"#, br#""locatoin":"#)
}

fn mode(payload: &mut Vec<u8>) -> bool {
    replace(payload, br#""model":"#, br#""mode":"#)
}

fn year_as_text(payload: &mut Vec<u8>) -> bool {
    const NAME: &[u8] = br#""year":"#;
    let Some(start) = find(payload, NAME).map(|place| place + NAME.len()) else { return false };
    let digits = payload[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    payload.insert(start + digits, b'"');
    payload.insert(start, b'"');
    true
}

fn actice(payload: &mut Vec<u8>) -> bool {
    replace(payload, br#""status":"Active""#, br#""status":"Actice""#)
}

/// For a field that is not the last one.
fn no_timestamp(payload: &mut Vec<u8>) -> bool {
    let Some(start) = find(payload, br#""timestamp":""#) else { return false };
    let Some(end) = find(&payload[start..], br#"","#) else { return false };
    payload.drain(start..start + end + 2);
    true
}

fn replace(payload: &mut Vec<u8>, from: &[u8], to: &[u8]) -> bool {
    let place = find(payload, from);
    if let Some(place) = place {
        payload.splice(place..place + from.len(), to.iter().copied());
    }
    place.is_some()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VEHICLE: &str =
        r#"{"id":"a","timestamp":"2026","location":[1,2],"model":"Leaf","year":2024,"x":1}"#;
    const INCIDENT: &str = r#"{"id":"a","timestamp":"2026","location":[1,2],"status":"Active"}"#;

    fn check(entropy: u64, event: &str, part: &str, becomes: &str) {
        let mut payload = event.as_bytes().to_vec();
        misspell(&mut payload, entropy);
        assert_eq!(String::from_utf8_lossy(&payload), event.replacen(part, becomes, 1), "{entropy}");
    }

    #[test]
    fn a_message_is_misspelt_in_a_way_that_it_allows() {
        check(0, VEHICLE, "location", "locatoin");
        check(1, VEHICLE, "model", "mode");
        check(2, VEHICLE, "2024", "\"2024\"");
        check(3, VEHICLE, r#""timestamp":"2026","#, "");
        check(1, INCIDENT, "Active", "Actice");
        check(4, INCIDENT, r#""timestamp":"2026","#, "");
        check(5, INCIDENT, "location", "locatoin");
        check(1, r#"{"id":"a"}"#, "", "");
    }
}
