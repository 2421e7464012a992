//! A look at a cluster: see [`super::view`].

use std::collections::BTreeMap;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::kafka::{client, cluster_id};
use super::kafka_log::FetcherContext;
use super::kafka_outage::Outage;
use super::kafka_partitions::failed;
use super::view::{Ends, SourceView, TopicView};
use super::{KafkaSettings, SourceError, kafka_admin, kafka_check, kafka_properties};

/// See [`super::view::look`].
pub(super) fn look(settings: &KafkaSettings, names: &[String]) -> Result<SourceView, SourceError> {
    kafka_check::check(settings)?;
    let log = FetcherContext::new(Outage::new(&settings.brokers));
    let looker = client(&kafka_properties::fetcher(settings)?, log.clone())?;
    let identity = format!("kafka:{}", cluster_id(&looker, &log, names, settings)?);
    let refused = |action: &str| {
        let action = action.to_owned();
        move |reason| SourceError::Kafka { action, reason }
    };
    let found = kafka_admin::topics(looker.client(), names, settings.timeout);
    let found = found.map_err(refused("describe the topics"))?;
    let group = kafka_admin::group(looker.client(), &settings.group, settings.timeout);
    let group = group.map_err(refused("describe the group"))?;
    let mut topics = BTreeMap::new();
    for (name, topic) in found {
        let partitions = ends(&looker, &name, topic.partitions, settings)
            .map_err(|error| failed(format!("ask for the ends of {name}"), &error))?;
        topics.insert(name, TopicView { id: topic.id, partitions });
    }
    Ok(SourceView { identity, topics, group: Some(group) })
}

/// Both ends of all partitions of a topic, by two requests to each broker.
fn ends(
    looker: &BaseConsumer<FetcherContext>,
    topic: &str,
    partitions: i32,
    settings: &KafkaSettings,
) -> Result<BTreeMap<i32, Ends>, KafkaError> {
    let offsets = |of: rdkafka::Offset| -> Result<BTreeMap<i32, i64>, KafkaError> {
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, of)?;
        }
        let found = looker.offsets_for_times(list, settings.timeout)?;
        let known = found.elements().into_iter().filter_map(|at| match at.offset() {
            rdkafka::Offset::Offset(offset) => Some((at.partition(), offset)),
            _ => None,
        });
        Ok(known.collect())
    };
    let (low, end) = (offsets(rdkafka::Offset::Beginning)?, offsets(rdkafka::Offset::End)?);
    let ends = |partition| Ends { low: low.get(&partition).copied(), end: end.get(&partition).copied() };
    Ok((0..partitions).map(|partition| (partition, ends(partition))).collect())
}
