//! Runs a candidate beside the live version of a step, on the same batches and without effect, and says how
//! they differ.

mod report;

pub use report::{Difference, EXAMPLES_MAX, ShadowReport, SideReport};
