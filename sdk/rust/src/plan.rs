//! The plan's vocabulary, as the ABI has it: what a transform says it reads and writes.

pub use crate::bindings::exports::millstream::plugin::plugin::{ConfigProblem, Input, InputPlan, Plan};
pub use crate::bindings::millstream::plugin::types::{DataType, Field, TimeUnit, TimestampType};

use crate::Transform;
use crate::bindings::exports::millstream::plugin::plugin;

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
