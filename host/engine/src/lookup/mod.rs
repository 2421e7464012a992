//! Lookup tables: reference rows that plugins find by a key. They leave as Arrow arrays of the columns that a
//! plan names; how a table is kept and refreshed is its implementation's affair, and nothing here knows plugins.

mod memory;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;

pub(crate) use memory::key_bytes;
pub use memory::{MemoryTable, TableError};

/// The tables that a step may be given, by name; which of them it uses stands in its plan.
pub type Tables = BTreeMap<String, Arc<dyn LookupTable>>;

/// Rows could not be looked up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookUpError {
    /// Their values have more bytes than are taken at once.
    #[error("the rows that are looked up have more than {bytes_max} bytes together")]
    TooLarge {
        /// How many are taken.
        bytes_max: usize,
    },
    /// They cannot be read.
    #[error("rows cannot be looked up: {reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}

/// Reference rows, found by key. A key is bytes: UTF-8 text, or an integer in decimal. Rows must not change while
/// a plugin's call lasts.
pub trait LookupTable: Send + Sync + fmt::Debug {
    /// Columns of its rows, the key among them.
    fn schema(&self) -> SchemaRef;

    /// The rows of `keys` as arrays of the columns with these numbers, one value for each key: null where the
    /// key is none or has no row. The first of the pair says which keys have a row.
    ///
    /// # Errors
    /// If the values have more than `bytes_max` bytes together, which is looked at before any is copied, or cannot
    /// be read.
    fn look_up(
        &self,
        keys: &[Option<&[u8]>],
        columns: &[usize],
        bytes_max: usize,
    ) -> Result<(Vec<bool>, Vec<ArrayRef>), LookUpError>;
}
