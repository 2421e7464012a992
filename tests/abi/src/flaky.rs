//! State that fails when it is told to, at its n-th use: what a disk or a lost race does to a call.

use std::sync::{Mutex, PoisonError};

use millstream_engine::{Changes, KeyValue, MemoryState, StateError, StoreSpec, TaskState, Timer};

/// Far more than the proof's sequences need.
const BYTES_MAX: usize = 64 << 20;

/// State in memory that fails when it is told to.
pub(crate) struct Flaky {
    state: MemoryState,
    /// The use that fails, counted down.
    fail_in: Mutex<Option<u32>>,
    /// A commit that fails has no effect, as it must be.
    whole: bool,
}

impl Flaky {
    pub(crate) fn new(stores: &[StoreSpec], whole: bool) -> Self {
        Self { state: MemoryState::new(stores, BYTES_MAX), fail_in: Mutex::new(None), whole }
    }

    /// The use of the state that fails from now on, or none.
    pub(crate) fn fail_in(&self, uses: Option<u32>) {
        *self.fail_in.lock().unwrap_or_else(PoisonError::into_inner) = uses;
    }

    fn used(&self) -> Result<(), StateError> {
        match &mut *self.fail_in.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(0) => Err(StateError::Failed { reason: "injected".to_owned() }),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl TaskState for Flaky {
    fn watermark(&self) -> Option<i64> {
        self.state.watermark()
    }

    fn get_many(
        &self,
        store: &str,
        keys: &[&[u8]],
        moving_to: Option<i64>,
        bytes_max: usize,
    ) -> Result<Vec<Option<Vec<u8>>>, StateError> {
        self.used()?;
        self.state.get_many(store, keys, moving_to, bytes_max)
    }

    fn due(&self, watermark: i64) -> Result<Vec<Timer>, StateError> {
        self.used()?;
        self.state.due(watermark)
    }

    fn commit(&self, changes: Changes) -> Result<(), StateError> {
        let Err(failure) = self.used() else { return self.state.commit(changes) };
        if !self.whole {
            self.state.commit(Changes { puts: changes.puts, ..Changes::default() })?;
        }
        Err(failure)
    }

    fn entries(&self, store: &str) -> Result<Vec<KeyValue>, StateError> {
        self.state.entries(store)
    }

    fn timers(&self) -> Result<Vec<Timer>, StateError> {
        self.state.timers()
    }
}
