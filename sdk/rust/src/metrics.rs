//! Numbers about the work, shown by the host beside its own. Like all effects they count only if the
//! call returns ok. Natively, [`crate::testing::count`] and [`crate::testing::gauge`] show them.
//!
//! ```
//! # use millstream_sdk::{metrics::Counter, testing};
//! struct Cleanse {
//!     unknown_makes: Counter, // Counter::new("unknown_makes")
//! }
//! # let cleanse = Cleanse { unknown_makes: Counter::new("unknown_makes") };
//! cleanse.unknown_makes.add(1);
//! assert_eq!(testing::count("unknown_makes"), 1);
//! ```

use std::borrow::Cow;
#[cfg(target_arch = "wasm32")]
use std::cell::OnceCell;

#[cfg(target_arch = "wasm32")]
use crate::bindings::millstream::plugin::metrics;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing;

/// A count that only rises.
pub struct Counter {
    name: Cow<'static, str>,
    #[cfg(target_arch = "wasm32")]
    handle: OnceCell<metrics::Counter>,
}

impl Counter {
    /// The counter of this name. It is made in the host when it is first added to.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            #[cfg(target_arch = "wasm32")]
            handle: OnceCell::new(),
        }
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        #[cfg(target_arch = "wasm32")]
        self.handle.get_or_init(|| metrics::Counter::new(&self.name)).add(n);
        #[cfg(not(target_arch = "wasm32"))]
        testing::note_count(&self.name, n);
    }
}

/// A value that rises and falls.
pub struct Gauge {
    name: Cow<'static, str>,
    #[cfg(target_arch = "wasm32")]
    handle: OnceCell<metrics::Gauge>,
}

impl Gauge {
    /// The gauge of this name. It is made in the host when it is first set.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            #[cfg(target_arch = "wasm32")]
            handle: OnceCell::new(),
        }
    }

    /// Sets the value.
    pub fn set(&self, value: f64) {
        #[cfg(target_arch = "wasm32")]
        self.handle.get_or_init(|| metrics::Gauge::new(&self.name)).set(value);
        #[cfg(not(target_arch = "wasm32"))]
        testing::note_gauge(&self.name, value);
    }
}
