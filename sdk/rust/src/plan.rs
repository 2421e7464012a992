//! The plan's vocabulary, as the ABI has it: what a transform says it reads and writes.

pub use crate::bindings::exports::millstream::plugin::plugin::{ConfigProblem, Input, InputPlan, Plan};
pub use crate::bindings::millstream::plugin::types::{DataType, Field, TimeUnit, TimestampType};

use crate::Transform;
use crate::batch::Batch;
use crate::bindings::exports::millstream::plugin::plugin;
use crate::column::Column;

/// What the plugin says of itself, as the ABI has it.
#[doc(hidden)]
pub fn describe<T: Transform>() -> plugin::About {
    plugin::About {
        name: T::ABOUT.name.to_owned(),
        version: T::ABOUT.version.to_owned(),
        config_schema: T::ABOUT.config_schema.map(str::to_owned),
        example_config: T::ABOUT.example_config.to_owned(),
    }
}

/// A column that a row reads.
#[derive(Clone, Debug)]
pub struct Read {
    /// Name and type.
    pub field: Field,
    /// The stream may lack it: then the plan does not have it, and the row's field is `None`.
    pub optional: bool,
    /// It is taken out of the stream.
    pub dropped: bool,
}

impl Read {
    /// True if the plan for a stream with the columns `has` reads it. The host's own columns always are.
    pub(crate) fn is_planned(&self, has: impl Fn(&str) -> bool) -> bool {
        !self.optional || self.field.name.starts_with('_') || has(&self.field.name)
    }
}

/// Where a row's fields find their columns in the plan's reads: columns that the stream lacks have no
/// place.
#[derive(Clone, Debug)]
pub struct Places(Vec<Option<u32>>);

impl Places {
    /// The places of `reads` in the plan for a stream with the columns `has`.
    pub(crate) fn new(reads: &[Read], has: impl Fn(&str) -> bool) -> Self {
        let mut free = 0..;
        Self(reads.iter().map(|read| if read.is_planned(&has) { free.next() } else { None }).collect())
    }

    /// Fetches the column of the `read`th field that is read.
    #[doc(hidden)]
    pub fn open<C: Column>(&self, batch: &impl Batch, read: usize) -> C {
        self.open_optional(batch, read).expect("the plan has every column that is not optional")
    }

    /// As [`Places::open`], of a column that the stream may lack.
    #[doc(hidden)]
    pub fn open_optional<C: Column>(&self, batch: &impl Batch, read: usize) -> Option<C> {
        self.0[read].map(|number| C::open(batch, number))
    }
}
