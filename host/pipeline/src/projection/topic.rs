//! The topic's producer. Letters come in; those that all brokers have which must have them, and those that
//! the topic will never take, come out, with an error if the rest is worth another attempt.

use std::collections::VecDeque;
use std::time::Duration;

use futures::future::join_all;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;

use super::ProjectionError;
use super::record::{LetterRecord, Place, Refusal};
use crate::config::DeadLetterTopic;
use crate::source::{SourceError, producer};

/// How long a record waits for room in the producer's queue.
const QUEUE_PATIENCE: Timeout = Timeout::After(Duration::from_secs(30));

/// A topic that dead letters go to.
pub(super) struct Topic {
    name: String,
    producer: FutureProducer,
}

/// What became of letters. One that is nowhere here was not settled, and may be sent again.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// Letters that are in the topic.
    pub(super) acknowledged: Vec<Place>,
    /// Letters that the topic does not take, whatever is left out, with what it says.
    pub(super) refused: Vec<(Place, KafkaError)>,
    /// Why the others are not settled.
    pub(super) failed: Option<ProjectionError>,
}

impl Topic {
    /// A producer for the topic; nothing is asked of the brokers yet.
    pub(super) fn new(settings: &DeadLetterTopic) -> Result<Self, SourceError> {
        Ok(Self { name: settings.topic.clone(), producer: producer(&settings.kafka)? })
    }

    /// Produces `letters`. A broker takes or refuses what the producer batched as a whole, so what is refused
    /// is sent again in smaller groups, and only a letter that is refused alone loses a part. It says so in a
    /// header, and the table has it whole.
    pub(super) async fn deliver(&self, letters: Vec<LetterRecord<'_>>) -> Deliveries {
        let mut deliveries = Deliveries::default();
        let mut group_max = letters.len();
        let mut waiting = VecDeque::from(letters);
        while !waiting.is_empty() && deliveries.failed.is_none() {
            let group: Vec<_> = waiting.drain(..group_max.min(waiting.len())).collect();
            let letters = group.len();
            let again = self.deliver_group(group, &mut deliveries).await;
            group_max = if again.is_empty() { letters * 2 } else { (letters / 2).max(1) };
            again.into_iter().rev().for_each(|letter| waiting.push_front(letter));
        }
        deliveries
    }

    /// Produces letters together; returns those that are to be tried again in a smaller group or, if it was
    /// one letter, with less in it.
    async fn deliver_group<'a>(
        &self,
        group: Vec<LetterRecord<'a>>,
        deliveries: &mut Deliveries,
    ) -> Vec<LetterRecord<'a>> {
        let is_alone = group.len() == 1;
        let outcomes = join_all(group.iter().map(|letter| self.produce(letter))).await;
        let mut again = Vec::new();
        for (mut letter, outcome) in group.into_iter().zip(outcomes) {
            let Err(error) = outcome else {
                deliveries.acknowledged.push(letter.place);
                continue;
            };
            match refusal(&error) {
                Some(refusal) if !is_alone || letter.leave_out(refusal) => again.push(letter),
                Some(_) => deliveries.refused.push((letter.place, error)),
                None => {
                    let (topic, reason) = (self.name.clone(), error.to_string());
                    deliveries.failed = Some(ProjectionError::Topic { topic, reason });
                }
            }
        }
        again
    }

    async fn produce(&self, letter: &LetterRecord<'_>) -> Result<(), KafkaError> {
        let record = FutureRecord {
            topic: &self.name,
            partition: None,
            payload: letter.value(),
            key: letter.key(),
            timestamp: letter.timestamp_ms(),
            headers: Some(letter.headers()),
        };
        self.producer.send(record, QUEUE_PATIENCE).await.map(drop).map_err(|(error, _)| error)
    }
}

/// What a record was refused for, if it will never be taken as it is.
fn refusal(error: &KafkaError) -> Option<Refusal> {
    let KafkaError::MessageProduction(code) = error else { return None };
    match code {
        // The producer's queue has no room for a single record that is larger than all of it.
        RDKafkaErrorCode::MessageSizeTooLarge
        | RDKafkaErrorCode::InvalidMessageSize
        | RDKafkaErrorCode::QueueFull => Some(Refusal::Size),
        RDKafkaErrorCode::InvalidTimestamp => Some(Refusal::Timestamp),
        // The second one stands for records that were in a batch with one that is invalid.
        RDKafkaErrorCode::InvalidRecord | RDKafkaErrorCode::InvalidDifferentRecord => Some(Refusal::Record),
        _ => None,
    }
}
