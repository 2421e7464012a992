//! What becomes of dead letters besides their table.

use super::{DeadLetterTopic, StreamConfig, check, typed};
use crate::source::SourceSettings;
use millstream_settings::{ConfigError, Document};

/// Checks where dead letters are published, if they are.
pub fn dead_letters(
    document: &Document,
    typed: typed::DeadLetters,
    source: &SourceSettings,
    streams: &[StreamConfig],
) -> Result<Option<DeadLetterTopic>, ConfigError> {
    let Some(topic) = typed.topic else { return Ok(None) };
    let refused = |message: String| document.error(&["dead_letters", "topic"], message);
    let SourceSettings::Kafka(kafka) = source else {
        return Err(refused(
            "only with [source.kafka]: the topic is on the brokers of the source".to_owned(),
        ));
    };
    if !check::is_topic(&topic) {
        return Err(refused(check::TOPIC_RULE.to_owned()));
    }
    if let Some(stream) = streams.iter().find(|stream| stream.topic == topic) {
        let message = format!("that of stream `{}`, which would read its own dead letters", stream.name);
        return Err(refused(message));
    }
    Ok(Some(DeadLetterTopic { topic, kafka: kafka.clone() }))
}
