//! The topic's producer. One letter comes in and is acknowledged by all brokers that must have it, or an
//! error says why not.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;

use super::ProjectionError;
use super::record::{self, Place};
use crate::config::DeadLetterTopic;
use crate::dead_letter::Letter;
use crate::source::{SourceError, producer};

/// How long a record waits for room in the producer's queue.
const QUEUE_PATIENCE: Timeout = Timeout::After(Duration::from_secs(30));

/// A topic that dead letters go to.
pub(super) struct Topic {
    name: String,
    producer: FutureProducer,
}

impl Topic {
    /// A producer for the topic; nothing is asked of the brokers yet.
    pub(super) fn new(settings: &DeadLetterTopic) -> Result<Self, SourceError> {
        Ok(Self { name: settings.topic.clone(), producer: producer(&settings.kafka)? })
    }

    /// Produces `letter`; returns when it is acknowledged. A value that is too large for the topic is left
    /// out, which a header says: the table has it.
    pub(super) async fn send(&self, letter: &Letter<'_>, place: Place) -> Result<(), ProjectionError> {
        let headers = record::headers(letter, place);
        match self.produce(letter, letter.value, headers.clone()).await {
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge)) => {
                let omitted = Header { key: "millstream.omitted", value: Some("value") };
                self.produce(letter, None, headers.insert(omitted)).await
            }
            outcome => outcome,
        }
        .map_err(|error| ProjectionError::Topic { topic: self.name.clone(), reason: error.to_string() })
    }

    async fn produce(
        &self,
        letter: &Letter<'_>,
        value: Option<&[u8]>,
        headers: OwnedHeaders,
    ) -> Result<(), KafkaError> {
        let record = FutureRecord {
            topic: &self.name,
            partition: None,
            payload: value,
            key: letter.key,
            timestamp: letter.timestamp_us.map(|micros| micros / 1000),
            headers: Some(headers),
        };
        self.producer.send(record, QUEUE_PATIENCE).await.map(drop).map_err(|(error, _)| error)
    }
}
