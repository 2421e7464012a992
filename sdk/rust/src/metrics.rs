//! Numbers about the work, shown by the host beside its own. Like all effects they count only if the
//! call returns ok; natively they go nowhere.

use std::cell::OnceCell;

use crate::bindings::millstream::plugin::metrics;

/// A count that only rises.
pub struct Counter {
    name: &'static str,
    handle: OnceCell<metrics::Counter>,
}

impl Counter {
    /// The counter of this name. It is made in the host when it is first added to.
    pub const fn new(name: &'static str) -> Self {
        Self { name, handle: OnceCell::new() }
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        if cfg!(target_arch = "wasm32") {
            self.handle.get_or_init(|| metrics::Counter::new(self.name)).add(n);
        }
    }
}

/// A value that rises and falls.
pub struct Gauge {
    name: &'static str,
    handle: OnceCell<metrics::Gauge>,
}

impl Gauge {
    /// The gauge of this name. It is made in the host when it is first set.
    pub const fn new(name: &'static str) -> Self {
        Self { name, handle: OnceCell::new() }
    }

    /// Sets the value.
    pub fn set(&self, value: f64) {
        if cfg!(target_arch = "wasm32") {
            self.handle.get_or_init(|| metrics::Gauge::new(self.name)).set(value);
        }
    }
}
