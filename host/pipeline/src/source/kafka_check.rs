//! Checks the settings of the Kafka source without a broker: what is found here would also be found
//! by connecting, but later, or less clearly.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use super::kafka_partitions::failed;
use super::kafka_properties;
use super::{KafkaSettings, SourceError};

/// Checks the brokers' addresses, and names and values of the properties.
pub(super) fn check(settings: &KafkaSettings) -> Result<(), SourceError> {
    for broker in settings.brokers.split(',') {
        if !is_address(broker.trim()) {
            return Err(SourceError::Brokers { broker: broker.trim().to_owned() });
        }
    }
    for config in [kafka_properties::member(settings)?, kafka_properties::fetcher(settings)?] {
        check_properties(&config)?;
    }
    Ok(())
}

/// An error of a client's creation, as ours.
pub(super) fn refused(error: KafkaError) -> SourceError {
    match error {
        KafkaError::ClientConfig(_, problem, key, _) => SourceError::Property { key, problem },
        error => failed("create a client".to_owned(), &error),
    }
}

fn check_properties(config: &ClientConfig) -> Result<(), SourceError> {
    config.create_native_config().map(drop).map_err(refused)
}

/// `host:port`, also `[::1]:9092`, and with `PLAINTEXT://` or the like before it.
fn is_address(broker: &str) -> bool {
    let address = broker.split_once("://").map_or(broker, |(_, address)| address);
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let host_is_good = !host.is_empty() && !host.contains([' ', '/']) && (bracketed || !host.contains(':'));
    host_is_good && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_hosts_with_ports() {
        let check = |brokers: &str, bad: Option<&str>| match check(&KafkaSettings::new(brokers, "group")) {
            Err(SourceError::Brokers { broker }) => assert_eq!(Some(broker.as_str()), bad, "{brokers}"),
            outcome => assert!(outcome.is_ok() && bad.is_none(), "{brokers}: {outcome:?}"),
        };
        check("localhost:9092", None);
        check("a:9092, b:9093", None);
        check("[::1]:9092", None);
        check("PLAINTEXT://a:9092", None);
        check("", Some(""));
        check("a:9092,", Some(""));
        check("localhost", Some("localhost"));
        check("a:9092,b:many", Some("b:many"));
        check(":9092", Some(":9092"));
        check("a:0", Some("a:0"));
        check("a:90920", Some("a:90920"));
        check("a b:9092", Some("a b:9092"));
        check("::1:9092", Some("::1:9092"));
    }

    #[test]
    fn properties_are_checked_without_a_broker() {
        let check = |key: &str, value: &str, bad: bool| {
            let mut settings = KafkaSettings::new("127.0.0.1:1", "group");
            settings.properties.insert(key.to_owned(), value.to_owned());
            match check(&settings) {
                Err(SourceError::Property { key: named, .. }) => assert!(bad && named == key, "{named}"),
                outcome => assert!(outcome.is_ok() && !bad, "{key}: {outcome:?}"),
            }
        };
        check("fetch.max.bytes", "1000000", false);
        check("fetch.max.bytes", "many", true);
        check("security.protocol", "carrier pigeon", true);
        check("no.such.key", "x", true);
        check("group.id", "x", true);
        check("session.timeout.ms", "-5", true);
    }
}
