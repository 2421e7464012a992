//! A step's circuit: closed while the step runs, open once it cannot go on. All instances of the step share
//! it; whoever opens it first says why. What becomes of the rows meanwhile is for others to decide.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The circuit of a step is open: nothing of the batch took effect, and the step takes no other until its
/// circuit is closed or it is replaced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct CircuitOpened {
    /// Why it opened.
    pub reason: Arc<str>,
}

/// Asked before every call, so that asking costs one load while it is closed.
#[derive(Debug, Default)]
pub(crate) struct Circuit {
    open: AtomicBool,
    reason: Mutex<Option<Arc<str>>>,
}

impl Circuit {
    /// Why it is open, if it is.
    pub(crate) fn reason(&self) -> Option<Arc<str>> {
        if self.open.load(Ordering::Acquire) { self.lock().clone() } else { None }
    }

    /// Opens it; true if it was closed.
    pub(crate) fn open(&self, reason: &Arc<str>) -> bool {
        let mut present = self.lock();
        if present.is_some() {
            return false;
        }
        *present = Some(Arc::clone(reason));
        self.open.store(true, Ordering::Release);
        true
    }

    /// Closes it.
    pub(crate) fn close(&self) {
        let mut present = self.lock();
        *present = None;
        self.open.store(false, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<str>>> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
