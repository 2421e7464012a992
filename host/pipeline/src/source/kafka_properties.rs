//! The librdkafka properties of the source: defaults that bound memory, what the user set, and what
//! nobody may change because correctness rests on it.
//!
//! Memory: each partition prefetches up to `queued.max.messages.kbytes` (2 MiB here, librdkafka's default is
//! 64 MiB) plus one answer of `max.partition.fetch.bytes` (128 KiB, compressed as the producer compressed it),
//! and each broker connection holds one answer of at most `fetch.max.bytes` (16 MiB). Small queues need a short
//! `fetch.wait.max.ms`: while the broker waits for news of partitions that are read to their end, it fetches
//! nothing of those that are not.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::view::MemberView;
use super::{GroupProtocol, KafkaSettings, Membership, SourceError};

/// What a user may change.
const DEFAULTS: [(&str, &str); 10] = [
    ("client.id", "millstream"),
    ("isolation.level", "read_committed"),
    ("queued.max.messages.kbytes", "2048"),
    ("max.partition.fetch.bytes", "131072"),
    ("fetch.wait.max.ms", "50"),
    ("fetch.max.bytes", "16777216"),
    // After a full queue, fetch on soon: the default of 1 s would starve a fast reader.
    ("fetch.queue.backoff.ms", "20"),
    // How soon a topic that is created later is noticed.
    ("topic.metadata.refresh.interval.ms", "10000"),
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.keepalive.enable", "true"),
];

/// What a user may not change, and what to do instead.
const KEPT: [(&str, &str); 13] = [
    ("bootstrap.servers", "set source.kafka.brokers instead"),
    ("metadata.broker.list", "set source.kafka.brokers instead"),
    ("group.id", "set source.kafka.group instead"),
    ("group.protocol", "set source.kafka.protocol instead"),
    ("group.instance.id", "set worker.name and source.kafka.membership instead"),
    ("auto.offset.reset", "set source.kafka.start instead"),
    ("enable.auto.commit", "positions come from the checkpoint log; remove it"),
    ("auto.commit.enable", "positions come from the checkpoint log; remove it"),
    ("enable.auto.offset.store", "positions come from the checkpoint log; remove it"),
    ("enable.partition.eof", "the fetching client needs it; remove it"),
    ("allow.auto.create.topics", "topics are never created by reading them; create the topic"),
    ("log.queue", "logs go to millstream's own; remove it"),
    ("check.crcs", "messages are always checked; remove it"),
];

/// Properties that belong to the membership in the group.
const MEMBERSHIP: [&str; 2] = ["group.remote.assignor", "partition.assignment.strategy"];

/// What a producer has unless the user says otherwise: memory is bounded, equal keys go where Java's clients
/// send them, and a record that is not taken is soon an error.
const PRODUCER_DEFAULTS: [(&str, &str); 8] = [
    ("client.id", "millstream"),
    ("partitioner", "murmur2_random"),
    ("linger.ms", "5"),
    ("queue.buffering.max.kbytes", "65536"),
    // How large a record may be is for the topic to say.
    ("message.max.bytes", "1000000000"),
    ("message.timeout.ms", "10000"),
    ("topic.metadata.propagation.max.ms", "5000"),
    ("reconnect.backoff.max.ms", "2000"),
];

/// Configuration of a client that produces.
pub(super) fn producer(settings: &KafkaSettings) -> Result<ClientConfig, SourceError> {
    let mut config = user(settings)?;
    for key in MEMBERSHIP {
        config.remove(key);
    }
    for (key, value) in PRODUCER_DEFAULTS {
        set_default(&mut config, key, value);
    }
    config.set("bootstrap.servers", &settings.brokers).set("acks", "all");
    Ok(config)
}

/// Configuration of the client that fetches messages.
pub(super) fn fetcher(settings: &KafkaSettings) -> Result<ClientConfig, SourceError> {
    let mut config = user(settings)?;
    set_base(&mut config, settings);
    for key in MEMBERSHIP {
        config.remove(key);
    }
    config.set("enable.partition.eof", "true");
    Ok(config)
}

/// Configuration of the client that is a member of the group.
pub(super) fn member(settings: &KafkaSettings) -> Result<ClientConfig, SourceError> {
    let mut config = user(settings)?;
    let name = format!("{}{}", MemberView::CLIENT_PREFIX, settings.worker);
    set_default(&mut config, "client.id", &name);
    set_base(&mut config, settings);
    // A task needs the same partition number of all its topics on one worker.
    match settings.protocol {
        GroupProtocol::Consumer => {
            config.set("group.protocol", "consumer");
            set_default(&mut config, "group.remote.assignor", "range");
        }
        GroupProtocol::Classic => {
            config.set("group.protocol", "classic");
            set_default(&mut config, "partition.assignment.strategy", "range");
        }
    }
    if settings.membership == Membership::Static {
        config.set("group.instance.id", &settings.worker);
    }
    Ok(config)
}

/// What the user set, if it may be set.
fn user(settings: &KafkaSettings) -> Result<ClientConfig, SourceError> {
    let mut config = ClientConfig::new();
    // The default would be that of the `log` crate, which nobody here sets up.
    config.set_log_level(RDKafkaLogLevel::Info);
    for (key, value) in &settings.properties {
        if let Some((_, instead)) = KEPT.iter().find(|(kept, _)| kept == key) {
            let problem = format!("may not be set: {instead}");
            return Err(SourceError::Property { key: key.clone(), problem });
        }
        config.set(key, value);
    }
    Ok(config)
}

fn set_base(config: &mut ClientConfig, settings: &KafkaSettings) {
    for (key, value) in DEFAULTS {
        set_default(config, key, value);
    }
    config
        .set("bootstrap.servers", &settings.brokers)
        .set("group.id", &settings.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("allow.auto.create.topics", "false")
        .set("check.crcs", "true");
}

fn set_default(config: &mut ClientConfig, key: &str, value: &str) {
    if config.get(key).is_none() {
        config.set(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_correctness_rests_on_cannot_be_set() {
        for (key, instead) in KEPT {
            let mut settings = KafkaSettings::new("127.0.0.1:1", "group");
            settings.properties.insert(key.to_owned(), "x".to_owned());
            let error = member(&settings).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains(instead), "{error}");
        }
    }

    #[test]
    fn the_user_wins_over_defaults() {
        let mut settings = KafkaSettings::new("127.0.0.1:1", "group");
        settings.properties.insert("isolation.level".to_owned(), "read_uncommitted".to_owned());
        settings.properties.insert("client.id".to_owned(), "ours".to_owned());
        let (member, fetcher) = (member(&settings).unwrap(), fetcher(&settings).unwrap());
        assert_eq!(member.get("isolation.level"), Some("read_uncommitted"));
        assert_eq!(member.get("client.id"), Some("ours"));
        assert_eq!(fetcher.get("client.id"), Some("ours"));
    }

    #[test]
    fn the_member_alone_belongs_to_the_group() {
        let check = |membership, protocol, expected: [Option<&str>; 4]| {
            let mut settings = KafkaSettings::new("127.0.0.1:1", "group");
            settings.worker = "b".to_owned();
            (settings.membership, settings.protocol) = (membership, protocol);
            let (member, fetcher) = (member(&settings).unwrap(), fetcher(&settings).unwrap());
            let keys = [
                "group.instance.id",
                "group.protocol",
                "group.remote.assignor",
                "partition.assignment.strategy",
            ];
            assert_eq!(keys.map(|key| member.get(key)), expected);
            assert_eq!(keys.map(|key| fetcher.get(key)), [None; 4]);
            assert_eq!(member.get("client.id"), Some("millstream-b"));
        };
        let range = Some("range");
        check(Membership::Static, GroupProtocol::Classic, [Some("b"), Some("classic"), None, range]);
        check(Membership::Dynamic, GroupProtocol::Classic, [None, Some("classic"), None, range]);
        check(Membership::Dynamic, GroupProtocol::Consumer, [None, Some("consumer"), range, None]);
    }
}
