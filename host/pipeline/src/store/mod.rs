//! What everybody who talks to an object store shares: one patience with it, and one place that counts what
//! it answers. Requests pass through [`Watched`] once each, [`Attempts`] decides whether one is repeated. What
//! is stored, and which outcome means what, is for others to know.

mod answer;
mod figures;
mod random;
mod retry;
#[cfg(test)]
mod tests;
mod watched;

pub use answer::{Answer, Operation};
pub(crate) use answer::{in_short, is_unknown_caller};
pub use figures::{StoreFigures, StoreStatus};
pub(crate) use random::number as random_number;
pub use retry::{Attempts, RetryPolicy, fetch};
pub use watched::Watched;
