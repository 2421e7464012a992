//! What librdkafka has to say, for the log; the last error is kept for error messages.

use std::sync::{Arc, Mutex};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::kafka_outage::Outage;
use super::kafka_partitions::lock;

/// Context of the client that fetches messages.
#[derive(Clone)]
pub(super) struct FetcherContext {
    outage: Outage,
    last_error: Arc<Mutex<Option<String>>>,
}

impl FetcherContext {
    /// Nothing reported yet.
    pub(super) fn new(outage: Outage) -> Self {
        Self { outage, last_error: Arc::default() }
    }

    /// The last error that the client reported.
    pub(super) fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }
}

impl ClientContext for FetcherContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(&self.outage, level, facility, message);
        if facility == "FAIL" {
            *lock(&self.last_error) = Some(without_thread(message).to_owned());
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        note_outage(&self.outage, &error);
        // That all brokers are down says less than why the last one was.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *lock(&self.last_error) = Some(without_thread(reason).to_owned());
        }
    }
}

impl ConsumerContext for FetcherContext {}

/// What librdkafka's lines about connections are marked with.
const CONNECTION: [&str; 3] = ["FAIL", "ERROR", "REQTMOUT"];

/// Notes that no broker is left, if the error says so.
pub(super) fn note_outage(outage: &Outage, error: &KafkaError) {
    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
        outage.all_down();
    }
}

/// True for errors that librdkafka also logs, as a connection that failed.
pub(super) fn is_connection(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve};
    let code = error.rdkafka_error_code();
    code.is_some_and(|code| {
        [AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve].contains(&code)
    })
}

/// Passes on a line of librdkafka's log.
pub(super) fn log(outage: &Outage, level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
            tracing::debug!(facility, "{message}");
        }
        _ if CONNECTION.contains(&facility) => outage.connection_failed(without_thread(message)),
        _ => tracing::warn!(facility, "{message}"),
    }
}

/// Without the `[thrd:…]: ` that librdkafka's lines begin with.
fn without_thread(message: &str) -> &str {
    message.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")).map_or(message, |(_, text)| text)
}
