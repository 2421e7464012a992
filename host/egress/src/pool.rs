//! Connections that wait for a next request, a bounded number for a bounded time. They belong to one step: each
//! went to an address that its rules allow.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use millstream_engine::Origin;

use crate::connect::Connection;

/// Connections to one server that wait.
const IDLE_PER_HOST: usize = 8;
/// How long one waits: then the name is resolved and checked anew.
const IDLE: Duration = Duration::from_secs(20);

/// Connections that wait, by server.
#[derive(Default)]
pub(crate) struct Pool(Mutex<BTreeMap<Origin, Vec<(Connection, Instant)>>>);

impl Pool {
    /// One that can be used, if there is one.
    pub(crate) fn take(&self, origin: &Origin) -> Option<Connection> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = idle.get_mut(origin)?;
        idle.retain(|(connection, since)| !connection.is_closed() && since.elapsed() < IDLE);
        idle.pop().map(|(connection, _)| connection)
    }

    /// Keeps one for the next request, if there is room.
    pub(crate) fn put(&self, origin: &Origin, connection: Connection) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = idle.entry(origin.clone()).or_default();
        if idle.len() < IDLE_PER_HOST && !connection.is_closed() {
            idle.push((connection, Instant::now()));
        }
    }
}
