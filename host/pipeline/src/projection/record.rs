//! A dead letter as a record: with the headers that it came with, those of Kafka Connect's dead-letter queues,
//! and ours, and without the parts that its topic does not take. The names of Connect's headers are those of
//! `DeadLetterQueueReporter` in Apache Kafka.

use millstream_model::entry::Sequence;
use rdkafka::message::{Header, OwnedHeaders};

use crate::dead_letter::{DECODE, Letter};

/// What is left of a reason that is cut.
const REASON_BYTES_MAX: usize = 1000;

/// Where a letter stands in the table: two records with the same place are the same letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Entry that added it.
    pub(super) sequence: Sequence,
    /// Number of the letter in the entry, from 0.
    pub(super) ordinal: u64,
}

/// Why a topic will never take a record as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is too large.
    Size,
    /// Its timestamp is not one that the topic allows.
    Timestamp,
    /// It breaks a rule of the topic, as a record without key where the topic is compacted.
    Record,
}

/// What can be left out of a record. The table has it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Value,
    Key,
    /// The headers that the message came with.
    Headers,
    /// All but the beginning of the reason.
    Reason,
    Timestamp,
}

/// A letter on its way to its topic.
#[derive(Debug)]
pub(super) struct LetterRecord<'a> {
    letter: Letter<'a>,
    /// Where it stands in the table.
    pub(super) place: Place,
    omitted: Vec<Part>,
}

impl<'a> LetterRecord<'a> {
    /// The whole letter.
    pub(super) fn new(letter: Letter<'a>, place: Place) -> Self {
        Self { letter, place, omitted: Vec::new() }
    }

    /// Leaves out the next part that `refusal` may be about; false if nothing is left that could go.
    pub(super) fn leave_out(&mut self, refusal: Refusal) -> bool {
        let parts: &[Part] = match refusal {
            Refusal::Size => &[Part::Value, Part::Key, Part::Headers, Part::Reason],
            Refusal::Timestamp => &[Part::Timestamp],
            Refusal::Record => &[],
        };
        let next = parts.iter().find(|part| self.has(**part));
        self.omitted.extend(next);
        next.is_some()
    }

    /// The value, if it is not left out.
    pub(super) fn value(&self) -> Option<&[u8]> {
        self.letter.value.filter(|_| !self.omitted.contains(&Part::Value))
    }

    /// The key, if it is not left out.
    pub(super) fn key(&self) -> Option<&[u8]> {
        self.letter.key.filter(|_| !self.omitted.contains(&Part::Key))
    }

    /// Milliseconds since the epoch; none lets the producer say when.
    pub(super) fn timestamp_ms(&self) -> Option<i64> {
        let micros = self.letter.timestamp_us.filter(|_| !self.omitted.contains(&Part::Timestamp));
        micros.map(|micros| micros / 1000)
    }

    /// All headers.
    pub(super) fn headers(&self) -> OwnedHeaders {
        let mut headers = OwnedHeaders::new();
        let original = if self.omitted.contains(&Part::Headers) { &[] } else { &self.letter.headers[..] };
        for (key, value) in original {
            headers = headers.insert(Header { key, value: value.as_ref() });
        }
        for (key, value) in self.ours() {
            headers = headers.insert(Header { key, value: Some(&value) });
        }
        headers
    }

    fn has(&self, part: Part) -> bool {
        let letter = &self.letter;
        let is_there = match part {
            Part::Value => letter.value.is_some_and(|value| !value.is_empty()),
            Part::Key => letter.key.is_some_and(|key| !key.is_empty()),
            Part::Headers => !letter.headers.is_empty(),
            Part::Reason => letter.reason.len() > REASON_BYTES_MAX,
            Part::Timestamp => letter.timestamp_us.is_some(),
        };
        is_there && !self.omitted.contains(&part)
    }

    fn reason(&self) -> &str {
        let reason = self.letter.reason;
        if !self.omitted.contains(&Part::Reason) {
            return reason;
        }
        let end = (0..=REASON_BYTES_MAX).rev().find(|at| reason.is_char_boundary(*at));
        &reason[..end.unwrap_or(0)]
    }

    /// What stands for Java's classes: what ran is a decoder or a plugin, and what it threw is a cause.
    fn ours(&self) -> Vec<(&'static str, String)> {
        let (letter, place, reason) = (&self.letter, self.place, self.reason());
        let is_decoding = letter.step == DECODE && letter.plugin.is_none();
        let stage = if is_decoding { "VALUE_CONVERTER" } else { "TRANSFORMATION" };
        let class = letter
            .plugin
            .map_or_else(|| format!("millstream.{}", letter.step), |digest| format!("plugin:{digest}"));
        let mut headers = vec![
            ("__connect.errors.topic", letter.topic.to_owned()),
            ("__connect.errors.partition", letter.partition.to_string()),
            ("__connect.errors.offset", letter.offset.to_string()),
            ("__connect.errors.connector.name", format!("millstream-{}", letter.stream)),
            ("__connect.errors.task.id", letter.partition.to_string()),
            ("__connect.errors.stage", stage.to_owned()),
            ("__connect.errors.class.name", class),
            ("__connect.errors.exception.class.name", format!("millstream.{}", letter.cause)),
            ("__connect.errors.exception.message", reason.to_owned()),
            (
                "__connect.errors.exception.stacktrace",
                format!("{reason} at {}/{}", letter.stream, letter.step),
            ),
            ("millstream.sequence", place.sequence.to_string()),
            ("millstream.ordinal", place.ordinal.to_string()),
            ("millstream.stream", letter.stream.to_owned()),
            ("millstream.step", letter.step.to_owned()),
        ];
        headers.extend(letter.plugin.map(|plugin| ("millstream.plugin", plugin.to_owned())));
        if !self.omitted.is_empty() {
            let names: Vec<_> = self.omitted.iter().map(|part| part.name()).collect();
            headers.push(("millstream.omitted", names.join(",")));
        }
        headers
    }
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Key => "key",
            Self::Headers => "headers",
            Self::Reason => "reason",
            Self::Timestamp => "timestamp",
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers as _;

    use super::*;

    /// A letter of this reason, with a key, a value and a header or without; refused until nothing can go.
    #[track_caller]
    fn check(reason: &str, is_whole: bool, refusals: &[Refusal], expect: &str) {
        let letter = Letter {
            stream: "s",
            step: DECODE,
            reason,
            cause: DECODE,
            plugin: None,
            topic: "t",
            partition: 0,
            offset: 7,
            timestamp_us: Some(5000),
            event_time_us: None,
            key: is_whole.then_some(b"k"),
            value: is_whole.then_some(b"v"),
            headers: if is_whole { vec![("h".to_owned(), None)] } else { Vec::new() },
        };
        let mut record = LetterRecord::new(letter, Place { sequence: 1, ordinal: 0 });
        for refusal in refusals {
            while record.leave_out(*refusal) {}
        }
        let headers = record.headers();
        let header = |key| headers.iter().find(|header| header.key == key).and_then(|header| header.value);
        assert_eq!(header("millstream.omitted").unwrap_or_default(), expect.as_bytes());
        let message = header("__connect.errors.exception.message").unwrap();
        assert!(reason.as_bytes().starts_with(message), "{message:?}");
        assert!(!expect.contains("reason") || message.len() <= REASON_BYTES_MAX, "{}", message.len());
        assert_eq!(record.value().is_some(), is_whole && !expect.contains("value"));
        assert_eq!(record.key().is_some(), is_whole && !expect.contains("key"));
        assert_eq!(headers.iter().any(|header| header.key == "h"), is_whole && !expect.contains("headers"));
        assert_eq!(record.timestamp_ms(), (!expect.contains("timestamp")).then_some(5));
    }

    #[test]
    fn parts_are_left_out_until_none_is_left() {
        let long = format!("x{}", "é".repeat(5000));
        check("short", true, &[], "");
        check("short", true, &[Refusal::Record], "");
        check("short", true, &[Refusal::Size], "value,key,headers");
        check(&long, true, &[Refusal::Size], "value,key,headers,reason");
        check(&long, false, &[Refusal::Size], "reason");
        check("short", false, &[Refusal::Size], "");
        check("short", true, &[Refusal::Timestamp, Refusal::Size], "timestamp,value,key,headers");
    }
}
