//! Makes a recorded message new: a fresh `id`, a present `timestamp`, everything else byte for byte.
//!
//! Ids are a pure function of seed and sequence number, so the same command sends the same ids again.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::Offset;

use crate::feed::Message;
use crate::ids::FreshId;
use crate::recording::RecordedMessage;

/// Microseconds always, as the recorded producers write them.
const TIME: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// What to change in each message before it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Edits {
    /// The seed of new ids; `None` keeps the recorded ones.
    pub fresh_ids: Option<u64>,
    /// Whether `timestamp` becomes the moment of sending, in UTC.
    pub present_time: bool,
}

impl Edits {
    /// Appends the payload of message number `sequence` (counted from 0 through all passes and topics), sent
    /// at `now`, and sets the key: the event's id, if the recorded line has one that is a plain string.
    pub fn apply(&self, recorded: &RecordedMessage, sequence: u64, now: Timestamp, message: &mut Message) {
        let fresh_id = self.fresh_ids.map(|seed| FreshId::new(seed, sequence));
        let time = self.present_time.then(|| TIME.datetime_to_string(&Offset::UTC.to_datetime(now)));
        let id = recorded.id.as_ref().zip(fresh_id.as_ref().map(|id| id.as_str().as_bytes()));
        let timestamp = recorded.timestamp.as_ref().zip(time.as_ref().map(|time| time.as_bytes()));
        match (id, &recorded.id) {
            (Some((_, fresh)), _) => message.set_key(fresh),
            (None, Some(place)) => message.set_key(&recorded.payload[place.clone()]),
            (None, None) => {}
        }
        let mut changes = [id, timestamp];
        changes.sort_by_key(|change| change.map(|(place, _)| place.start));
        let mut copied = 0;
        for (place, text) in changes.into_iter().flatten() {
            message.payload.extend_from_slice(&recorded.payload[copied..place.start]);
            message.payload.extend_from_slice(text);
            copied = place.end;
        }
        message.payload.extend_from_slice(&recorded.payload[copied..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"timestamp":"2026-01-01T08:00:38", "speed": 1.50, "id": "old"}"#;

    fn check(edits: Edits, line: &str, key: Option<&str>, payload: &str) {
        let now: Timestamp = "2026-11-21T12:00:00.000007Z".parse().unwrap();
        let mut message = Message::default();
        edits.apply(&RecordedMessage::new(line.into()), 0, now, &mut message);
        assert_eq!(message.key(), key.map(str::as_bytes));
        assert_eq!(String::from_utf8_lossy(&message.payload), payload);
    }

    #[test]
    fn only_id_and_timestamp_change() {
        let id = FreshId::new(42, 0);
        let id = id.as_str();
        let keep = Edits { fresh_ids: None, present_time: false };
        let fresh = Edits { fresh_ids: Some(42), ..keep };
        let present = Edits { present_time: true, ..keep };
        let time = "2026-11-21T12:00:00.000007";
        check(keep, LINE, Some("old"), LINE);
        check(fresh, LINE, Some(id), &LINE.replace("old", id));
        check(present, LINE, Some("old"), &LINE.replace("2026-01-01T08:00:38", time));
        let both = LINE.replace("2026-01-01T08:00:38", time).replace("old", id);
        check(Edits { fresh_ids: Some(42), present_time: true }, LINE, Some(id), &both);
        check(Edits { fresh_ids: Some(42), present_time: true }, "{broken", None, "{broken");
    }
}
