//! Write Millstream plugins in Rust.
//!
//! A plugin is a struct that says which columns it looks at, and a function over one row of them:
//!
//! ```
//! use millstream_sdk::plan::ConfigProblem;
//! use millstream_sdk::{About, Row, Timestamp, Transform, Verdict};
//! use serde::Deserialize;
//!
//! /// The struct is the projection: a column that is not in it never enters the plugin.
//! #[derive(Row)]
//! #[row(rename_all = "camelCase")]
//! struct Vehicle<'a> {
//!     #[row(name = "location.lat")] // nested fields are dotted columns
//!     latitude: Option<f64>,        // may be null
//!     speed: f64,                   // may not: a nullable column is refused at start-up
//!     #[row(write)]                 // read and written back
//!     fuel_type: &'a str,
//!     #[row(name = "timestamp")]    // a column that changes its type: one field reads it ...
//!     sent_at: i64,
//!     #[row(name = "timestamp", new)] // ... and one that is not read replaces it
//!     instant: Timestamp,
//!     #[row(new)]                   // a new column; begins as `Default::default()`
//!     speeding: bool,
//!     #[row(optional)]              // `None` in every row if the stream has no such column
//!     limit_kmh: Option<f64>,
//!     #[row(drop)]                  // read, and taken out of the stream
//!     checksum: i64,
//! }
//!
//! #[derive(Deserialize)]
//! struct Config {
//!     limit_kmh: f64,
//! }
//!
//! struct Cleanse(Config);
//!
//! impl Transform for Cleanse {
//!     type Config = Config;
//!     type Row = Vehicle<'static>;
//!     type Outcome = Verdict; // `()` if every row is kept
//!
//!     const ABOUT: About = About {
//!         name: "cleanse",
//!         version: "1.0.0",
//!         config_schema: None,
//!         example_config: r#"{"limit_kmh": 120}"#,
//!     };
//!
//!     fn configure(config: Config) -> Result<Self, Vec<ConfigProblem>> {
//!         Ok(Self(config))
//!     }
//!
//!     fn process(&mut self, vehicle: &mut Vehicle<'_>) -> Verdict {
//!         if vehicle.latitude.is_some_and(|latitude| latitude.abs() > 90.0) {
//!             return Verdict::Reject("`location.lat` is out of range".into());
//!         }
//!         vehicle.instant = Timestamp(vehicle.sent_at * 1_000_000);
//!         vehicle.speeding = vehicle.speed > vehicle.limit_kmh.unwrap_or(self.0.limit_kmh);
//!         vehicle.fuel_type = vehicle.fuel_type.trim();
//!         Verdict::Keep
//!     }
//! }
//!
//! millstream_sdk::export!(Cleanse);
//! # fn main() {}
//! ```
//!
//! Such a crate is a `cdylib` compiled for `wasm32-unknown-unknown`; the host makes a component of it.
//! It compiles natively too, where [`testing`] runs it over batches in memory.
//!
//! # Fields
//! | Rust | column |
//! |---|---|
//! | `bool`, `i32`, `i64`, `f32`, `f64` | boolean, int32, int64, float32, float64 |
//! | `&str`, `Cow<str>`, `String` | utf8; the first two borrow from the column |
//! | `&[u8]`, `Cow<[u8]>`, `Vec<u8>` | binary |
//! | `&[f64]`, `Vec<f64>` | list of float64 |
//! | [`Date`], [`Timestamp`], [`LocalTimestamp`] | date; timestamp in microseconds, UTC or of no stated zone |
//! | `Option` of each | the same, with nulls |
//!
//! Only a field that is read can be `optional`, and only an `Option`; with `write` the column is written
//! whether or not the stream had it.
//! Changes to a field that is neither `write` nor `new` are lost. A written field of a row that is
//! dropped or rejected is never seen, so it may hold anything. The columns that the host adds
//! (`_offset`, `_event_time`, ...) can be read like any other.
//!
//! # Configuration and schema
//! The configuration is JSON, read by serde. Keys that [`Transform::Config`] does not know are
//! refused, with their path, like columns that are missing or nullable where the row has no `Option`.
//! Types are the host's to check: it casts a column to the field's type or refuses the plan.
//!
//! # Whole columns
//! [`columnar`] is for plugins whose columns are named by the configuration, and for those that want loops over
//! slices: [`Columnar`] in the place of [`Transform`], with the same configuration, outputs and [`export!`].
//!
//! # One row into many, and rows for other tables
//! A plugin emits rows to an [`Output`]: into its own stream, behind the row in hand or in its place, or to
//! another table.
//!
//! ```
//! # use millstream_sdk::plan::ConfigProblem;
//! # use millstream_sdk::{About, Output, Outputs, Record, Row, Transform, Verdict};
//! #[derive(Row)]
//! struct Message<'a> {
//!     readings: &'a [f64],
//! }
//!
//! /// A row of the output. Its columns come in place of the parent's, the others are as in the parent.
//! #[derive(Record)]
//! struct Reading {
//!     reading: f64,
//! }
//!
//! struct Split {
//!     readings: Output<Reading>, // Output::stream()
//!     high: Output<Reading>,     // Output::named("high"): the step says `outputs = { high = "curated.high" }`
//! }
//!
//! impl Transform for Split {
//! #   type Config = ();
//! #   type Row = Message<'static>;
//! #   type Outcome = Verdict;
//! #   const ABOUT: About = About { name: "split", version: "1", config_schema: None, example_config: "null" };
//! #   fn configure(_: ()) -> Result<Self, Vec<ConfigProblem>> {
//! #       Ok(Self { readings: Output::stream(), high: Output::named("high") })
//! #   }
//!     // ...
//!     fn outputs(&mut self) -> Outputs<'_> {
//!         Outputs::none().and(&mut self.readings).and(&mut self.high)
//!     }
//!
//!     fn process(&mut self, message: &mut Message<'_>) -> Verdict {
//!         for &reading in message.readings {
//!             self.readings.emit(Reading { reading });
//!             if reading > 100.0 {
//!                 self.high.emit(Reading { reading });
//!             }
//!         }
//!         Verdict::Drop // the message itself
//!     }
//! }
//! # let columns = [("readings", millstream_sdk::testing::Values::of([&[1.0, 101.0][..]]))];
//! # let outcome = millstream_sdk::testing::run::<Split, _>("null", &columns).unwrap();
//! # assert_eq!((&*outcome.emitted["test"].parents, &*outcome.emitted["high"].parents), (&[0, 0][..], &[0][..]));
//! ```
//!
//! # Configuration's schema, log, metrics
//! [`About::config_schema`] holds a JSON schema, which the host checks a step's configuration against before
//! the plugin sees it. [`log`] and [`metrics`] tell the operator.
//!
//! # Lookup tables
//! [`lookup`] finds rows of reference tables by a key, and joins their columns.
//!
//! # State and timers
//! [`keyed`] is for plugins that remember: values that belong to keys, timers, two inputs that are joined. Streams
//! refuse them as yet.
//!
//! # Servers
//! [`http`] asks servers, if the file beside the plugin grants them: a batch's rows in one go from
//! [`Transform::prepare`], or one request at a time.

#![deny(unsafe_code)]
#![warn(missing_docs)]

#[doc(hidden)]
pub mod batch;
#[doc(hidden)]
#[allow(missing_docs, unsafe_code, clippy::all)]
pub mod bindings;
mod bitmap;
#[doc(hidden)]
pub mod column;
pub mod columnar;
mod configure;
mod export;
pub mod http;
pub mod keyed;
pub mod log;
pub mod lookup;
pub mod metrics;
mod output;
#[doc(hidden)]
pub mod panic;
pub mod plan;
mod removed;
mod slices;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod transform;
mod value;

pub use bindings::millstream::plugin::types::Error;
pub use columnar::Columnar;
pub use configure::{ByColumn, ByRow, Configured, Plugin, configure};
#[doc(hidden)]
pub use configure::{Ready, describe};
#[doc(hidden)]
pub use millstream_sdk_derive::keyed_bindings;
pub use millstream_sdk_derive::{Record, Row};
pub use output::{Emits, Output, Outputs, Record};
pub use transform::{About, Outcome, Row, Rows, Transform, Verdict};
pub use value::{Date, LocalTimestamp, Scalar, Timestamp, Value};
#[doc(hidden)]
pub use wit_bindgen;
