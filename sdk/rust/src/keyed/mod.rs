//! Steps that keep state: what an author writes is a [`Keyed`] over rows of one input, or a [`KeyedJoin`] over those of
//! two, with [`Store`]s of values that belong to keys and [`Timers`] that event time fires. Rows come with the key that
//! their `#[row(key)]` fields make; a call to the host for each store and batch fetches and puts the values of all keys.
//! Streams refuse such plugins as yet: cases (`millstream plugin test`) and [`crate::testing::Task`] run them.
//!
//! ```
//! use millstream_sdk::keyed::{Keyed, Store, Stores, Timers};
//! # use millstream_sdk::plan::ConfigProblem;
//! use millstream_sdk::{About, Error, Output, Outputs, Record, Row, Timestamp, Verdict};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Row)]
//! struct Position<'a> {
//!     #[row(key)] // state belongs to a vehicle
//!     vehicle: &'a str,
//!     #[row(name = "_event_time")]
//!     at: Timestamp,
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! struct Way {
//!     first: i64,
//!     last: i64,
//! }
//!
//! #[derive(Record)]
//! struct Trip {
//!     vehicle: String,
//!     micros: i64,
//! }
//!
//! fn end(way: &Way) -> Timestamp {
//!     Timestamp(way.last + 600_000_000)
//! }
//!
//! /// A trip ends when a vehicle has been silent for ten minutes. Rows come out of order and before the watermark, so
//! /// a vehicle may have several that have not ended.
//! struct Trips {
//!     ways: Store<Vec<Way>>, // Store::new("ways", 1)
//!     trips: Output<Trip>,   // Output::named("trips")
//! }
//!
//! impl Keyed for Trips {
//! #   type Config = ();
//!     type Row = Position<'static>;
//!     type Outcome = Verdict;
//! #   const ABOUT: About = About { name: "t", version: "1", config_schema: None, example_config: "null" };
//! #   fn configure(_: ()) -> Result<Self, Vec<ConfigProblem>> {
//! #       Ok(Self { ways: Store::new("ways", 1), trips: Output::named("trips") })
//! #   }
//!     // ...
//!     fn stores(&mut self) -> Stores<'_> {
//!         Stores::none().and(&mut self.ways)
//!     }
//!
//!     fn outputs(&mut self) -> Outputs<'_> {
//!         Outputs::none().and(&mut self.trips)
//!     }
//!
//!     fn process(&mut self, position: &mut Position<'_>, timers: &mut Timers) -> Verdict {
//!         if timers.is_late(position.at) {
//!             return Verdict::Reject("late".into());
//!         }
//!         let Timestamp(at) = position.at;
//!         let mut way = Way { first: at, last: at };
//!         let is_joined = |other: &Way| other.first < end(&way).0 && at < end(other).0;
//!         let ways = self.ways.get().unwrap_or_default();
//!         let (joined, mut ways): (Vec<_>, Vec<_>) = ways.into_iter().partition(is_joined);
//!         for other in joined {
//!             timers.cancel(end(&other));
//!             way = Way { first: way.first.min(other.first), last: way.last.max(other.last) };
//!         }
//!         timers.set(end(&way));
//!         ways.push(way);
//!         self.ways.put(&ways);
//!         Verdict::Drop
//!     }
//!
//!     fn on_timer(&mut self, vehicle: &str, at: Timestamp, _: &mut Timers) -> Result<(), Error> {
//!         let ways = self.ways.get().unwrap_or_default();
//!         let (ended, rest): (Vec<_>, Vec<_>) = ways.into_iter().partition(|way| end(way) == at);
//!         for way in ended {
//!             self.trips.emit(Trip { vehicle: vehicle.to_owned(), micros: way.last - way.first });
//!         }
//!         match rest.is_empty() {
//!             true => self.ways.delete(),
//!             false => self.ways.put(&rest),
//!         }
//!         Ok(())
//!     }
//! }
//!
//! millstream_sdk::export_keyed!(Trips);
//!
//! # fn main() {
//! use millstream_sdk::testing::{Task, Values};
//! let positions = |times: [i64; 2]| {
//!     [("vehicle", Values::of(["a", "a"])), ("_event_time", Values::of(times.map(Timestamp)))]
//! };
//! let mut task = Task::<Trips, _>::new("null", &[&positions([0, 0])]).unwrap();
//! task.process(&positions([1_000_000, 3_000_000]));
//! task.process(&positions([900_000_000, 900_000_000])); // another trip
//! let fired = task.advance(Timestamp(700_000_000));
//! assert_eq!(fired.emitted["trips"].written["micros"], Values::of([2_000_000_i64]));
//! # }
//! ```
//!
//! # What holds
//! The host cuts rows and timers into calls as it likes, so nothing but a store may carry anything from one row to
//! another. A row sees what the rows before it put, in the same batch, too. A call is a transaction: if it fails, no
//! value has been put and no timer set. A plugin that keeps state cannot ask servers.

// Functions here that are not generic are inlined, and thus compiled where they are called: a plugin that keeps no
// state has none of them, nor their debug information.

mod export;
mod key;
mod plugin;
mod run;
mod store;
mod task;
mod timers;

use crate::bindings::millstream::plugin::types::Error;
use crate::lookup::Lookups;
use crate::output::Outputs;
use crate::plan::ConfigProblem;
use crate::transform::{About, Outcome, Row};
use crate::value::Timestamp;
pub use key::{Key, KeyPart, KeyedRow};
pub use plugin::{Configured, KeyedPlugin, OfOne, OfTwo, configure};
#[doc(hidden)]
pub use plugin::{Ready, describe};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use store::decode;
pub use store::{Keeps, Store, Stores};
#[doc(hidden)]
pub use task::RawTask;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use task::pack;
pub use timers::Timers;

/// The key of a row, as [`Keyed::on_timer`] has it: the value of its `#[row(key)]` field, or a tuple of several.
pub type KeyOf<'a, R> = <R as KeyedRow>::Key<'a>;

/// A step with state over the rows of one input. `self` may hold what saves work; what matters stands in its stores.
pub trait Keyed: Sized {
    /// The configuration. Keys it does not know are refused.
    type Config: serde::de::DeserializeOwned;
    /// The projection, with `'static` for its lifetime. At least one of its fields is marked `#[row(key)]`.
    type Row: KeyedRow;
    /// [`Verdict`](crate::Verdict), or `()` if every row is kept.
    type Outcome: Outcome;
    /// What the plugin says of itself.
    const ABOUT: About;

    /// Checks the configuration.
    ///
    /// # Errors
    /// Every problem, each with the path of its key (`zone`, `limits.speed`).
    fn configure(config: Self::Config) -> Result<Self, Vec<ConfigProblem>>;

    /// The stores that values are kept in.
    fn stores(&mut self) -> Stores<'_>;

    /// The outputs that rows are emitted to, from `process` and `on_timer`. A row that a timer emits has no parent:
    /// what an output inherits is null in it, and may thus be null in its table, whatever it is in the stream. To
    /// [`Output::stream`](crate::Output::stream) a timer can emit only if the record has every column of the stream that
    /// may not be null.
    fn outputs(&mut self) -> Outputs<'_> {
        Outputs::none()
    }

    /// The lookup tables that rows are looked up in. A timer has no row to join, but may read tables.
    fn lookups(&mut self) -> Lookups<'_> {
        Lookups::none()
    }

    /// Processes one row. Stores and timers are those of its key. What is put, set and emitted for it stands, also if it
    /// is dropped or rejected.
    fn process(&mut self, row: &mut <Self::Row as Row>::Of<'_>, timers: &mut Timers) -> Self::Outcome;

    /// A timer of `key` that was set for `at` fires. Its value may be gone, and timers cannot be cancelled once they
    /// fire, so check it against the state.
    ///
    /// # Errors
    /// [`Error::BadBatch`]: this timer cannot be fired and becomes a dead letter with this reason; its state stays.
    /// [`Error::Fatal`]: the step cannot go on.
    fn on_timer(
        &mut self,
        key: KeyOf<'_, Self::Row>,
        at: Timestamp,
        timers: &mut Timers,
    ) -> Result<(), Error> {
        let _ = (key, at, timers);
        Ok(())
    }
}

/// A step with state over the rows of two inputs, whose keys are of the same types: rows that have the same key meet
/// in its stores. Outputs are declared by the first input. It has no lookup tables as yet; as [`Keyed`] in all else.
pub trait KeyedJoin: Sized {
    /// The configuration. Keys it does not know are refused.
    type Config: serde::de::DeserializeOwned;
    /// Rows of the first input.
    type Left: KeyedRow;
    /// Rows of the second input.
    type Right: KeyedRow;
    /// [`Verdict`](crate::Verdict), or `()` if every row is kept.
    type Outcome: Outcome;
    /// What the plugin says of itself.
    const ABOUT: About;

    /// Checks the configuration.
    ///
    /// # Errors
    /// Every problem, each with the path of its key (`zone`, `limits.speed`).
    fn configure(config: Self::Config) -> Result<Self, Vec<ConfigProblem>>;

    /// The stores that values are kept in.
    fn stores(&mut self) -> Stores<'_>;

    /// The outputs that rows are emitted to, from `left`, `right` and `on_timer`.
    fn outputs(&mut self) -> Outputs<'_> {
        Outputs::none()
    }

    /// Processes a row of the first input.
    fn left(&mut self, row: &mut <Self::Left as Row>::Of<'_>, timers: &mut Timers) -> Self::Outcome;

    /// Processes a row of the second input.
    fn right(&mut self, row: &mut <Self::Right as Row>::Of<'_>, timers: &mut Timers) -> Self::Outcome;

    /// A timer fires, as in [`Keyed::on_timer`].
    ///
    /// # Errors
    /// As [`Keyed::on_timer`].
    fn on_timer(
        &mut self,
        key: KeyOf<'_, Self::Left>,
        at: Timestamp,
        timers: &mut Timers,
    ) -> Result<(), Error> {
        let _ = (key, at, timers);
        Ok(())
    }
}
