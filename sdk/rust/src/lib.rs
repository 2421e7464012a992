//! Write Millstream plugins in Rust.

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
mod configure;
mod export;
pub mod log;
pub mod metrics;
pub mod plan;
mod transform;
mod value;

pub use configure::{configure, plan as plan_of};
pub use millstream_sdk_derive::Row;
pub use transform::{About, Outcome, Row, Transform, Verdict, run};
pub use value::{Date, LocalTimestamp, Scalar, Timestamp, Value};
