//! What librdkafka has to say, for the log; the last error is kept for error messages.

use std::sync::{Arc, Mutex};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::kafka_partitions::lock;

/// Context of the client that fetches messages.
#[derive(Clone, Default)]
pub(super) struct FetcherContext {
    last_error: Arc<Mutex<Option<String>>>,
}

impl FetcherContext {
    /// The last error that the client reported.
    pub(super) fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }
}

impl ClientContext for FetcherContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
        if facility == "FAIL" {
            *lock(&self.last_error) = Some(without_thread(message).to_owned());
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // That all brokers are down says less than why the last one was.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *lock(&self.last_error) = Some(without_thread(reason).to_owned());
        }
    }
}

impl ConsumerContext for FetcherContext {}

/// Passes on a line of librdkafka's log.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
            tracing::debug!(facility, "{message}");
        }
        _ => tracing::warn!(facility, "{message}"),
    }
}

/// Without the `[thrd:…]: ` that librdkafka's lines begin with.
fn without_thread(message: &str) -> &str {
    message.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")).map_or(message, |(_, text)| text)
}
