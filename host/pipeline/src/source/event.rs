//! What a source tells the run loop, and how the run loop answers a revocation.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use millstream_model::TopicPartition;

use super::SourceError;

/// What a source tells the run loop, from the source's own thread.
#[derive(Debug)]
pub enum SourceEvent {
    /// These partitions are now this worker's to read, beside those it has. None at all is said too, so
    /// that the run loop knows it.
    Assigned(Vec<TopicPartition>),
    /// These partitions are no longer this worker's.
    Revoked {
        /// The partitions.
        partitions: Vec<TopicPartition>,
        /// Another worker may already be reading them; there is no point in finishing anything.
        lost: bool,
        /// When the source goes on without waiting any longer.
        until: Instant,
        /// To be given back once their work is committed or thrown away. The source waits for it, but
        /// not for ever.
        done: Acknowledgement,
    },
    /// All topics that were asked for and do not exist, of which the source hears by itself when they come: said
    /// before the first assignment and whenever it changes.
    Missing(Vec<String>),
    /// Whether the source answers, whenever that changes; it does until it is said that it does not.
    Reachable(bool),
    /// The source cannot go on; no other event follows.
    Failed(SourceError),
}

/// Tells the source that an event has been dealt with. Dropping it says the same.
#[derive(Debug)]
pub struct Acknowledgement(#[expect(dead_code, reason = "its drop is the message")] SyncSender<()>);

impl Acknowledgement {
    /// The event has been dealt with.
    pub fn done(self) {}

    /// A new acknowledgement and the end that waits for it.
    pub(super) fn new() -> (Self, Awaited) {
        let (sender, receiver) = sync_channel(1);
        (Self(sender), Awaited(receiver))
    }
}

/// The end that waits.
pub(super) struct Awaited(std::sync::mpsc::Receiver<()>);

impl Awaited {
    /// Waits at most `bound`; false if it was not acknowledged in that time.
    pub(super) fn wait(&self, bound: Duration) -> bool {
        self.0.recv_timeout(bound) != Err(RecvTimeoutError::Timeout)
    }
}
