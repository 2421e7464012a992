//! The headers of a published dead letter: those that it came with, those of Kafka Connect's dead-letter
//! queues, and ours. The names of the middle ones are those of `DeadLetterQueueReporter` in Apache Kafka.

use millstream_model::entry::Sequence;
use rdkafka::message::{Header, OwnedHeaders};

use crate::dead_letter::{DECODE, Letter};

/// Where a letter stands in the table: two records with the same place are the same letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Entry that added it.
    pub(super) sequence: Sequence,
    /// Number of the letter in the entry, from 0.
    pub(super) ordinal: u64,
}

/// All headers of `letter`.
pub(super) fn headers(letter: &Letter<'_>, place: Place) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new();
    for (key, value) in &letter.headers {
        headers = headers.insert(Header { key, value: value.as_ref() });
    }
    for (key, value) in ours(letter, place) {
        headers = headers.insert(Header { key, value: Some(&value) });
    }
    headers
}

/// What stands for Java's classes: what ran is a decoder or a plugin, and what it threw is a cause.
fn ours(letter: &Letter<'_>, place: Place) -> Vec<(&'static str, String)> {
    let is_decoding = letter.step == DECODE && letter.plugin.is_none();
    let stage = if is_decoding { "VALUE_CONVERTER" } else { "TRANSFORMATION" };
    let class =
        letter.plugin.map_or_else(|| "millstream.decode".to_owned(), |digest| format!("plugin:{digest}"));
    let mut headers = vec![
        ("__connect.errors.topic", letter.topic.to_owned()),
        ("__connect.errors.partition", letter.partition.to_string()),
        ("__connect.errors.offset", letter.offset.to_string()),
        ("__connect.errors.connector.name", format!("millstream-{}", letter.stream)),
        ("__connect.errors.task.id", letter.partition.to_string()),
        ("__connect.errors.stage", stage.to_owned()),
        ("__connect.errors.class.name", class),
        ("__connect.errors.exception.class.name", format!("millstream.{}", letter.cause)),
        ("__connect.errors.exception.message", letter.reason.to_owned()),
        (
            "__connect.errors.exception.stacktrace",
            format!("{} at {}/{}", letter.reason, letter.stream, letter.step),
        ),
        ("millstream.sequence", place.sequence.to_string()),
        ("millstream.ordinal", place.ordinal.to_string()),
        ("millstream.stream", letter.stream.to_owned()),
        ("millstream.step", letter.step.to_owned()),
    ];
    headers.extend(letter.plugin.map(|plugin| ("millstream.plugin", plugin.to_owned())));
    headers
}
