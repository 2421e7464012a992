//! What both sources promise, and what each adds. The Kafka tests run against Apache Kafka itself,
//! started by `scripts/kafka` (or the script that `MILLSTREAM_TEST_KAFKA_SCRIPT` names).

mod broker;
mod conformance;
mod files;
mod kafka;
mod kafka_group;
mod warnings;
