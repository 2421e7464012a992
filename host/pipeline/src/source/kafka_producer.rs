//! A producer on the cluster of the source, for what is published there.

use rdkafka::producer::FutureProducer;

use super::kafka_check::refused;
use super::{KafkaSettings, SourceError, kafka_properties};

/// A producer with the source's brokers and properties. Nothing is asked of the brokers yet.
pub(crate) fn producer(settings: &KafkaSettings) -> Result<FutureProducer, SourceError> {
    kafka_properties::producer(settings)?.create().map_err(refused)
}
