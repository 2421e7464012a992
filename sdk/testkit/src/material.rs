//! What a case gives a plugin, for those who run it otherwise than a test does: to measure it, or to ask it for its plan.

use arrow::array::RecordBatch;
use millstream_engine::{Grants, InputSpec, Limits};

use crate::case::Case;
use crate::error::CaseError;
use crate::messages::prepare;
use crate::plugin::Plugin;

/// The rows of a case, and what a plugin is configured with for them.
#[derive(Clone, Debug)]
pub struct Material {
    /// Name and columns of the first input.
    pub input: InputSpec,
    /// Its rows: those of the messages that fit the schema.
    pub rows: RecordBatch,
    /// Parameters.
    pub config: serde_json::Value,
    /// What the plugin may use.
    pub limits: Limits,
    /// What it may touch.
    pub grants: Grants,
}

impl Plugin {
    /// What `case` gives the plugin on its first input.
    ///
    /// # Errors
    /// If a file of the case is wrong.
    pub fn material(&self, case: &Case) -> Result<Material, CaseError> {
        let (name, rows) = prepare(case, self.loaded().keeps_state())?.inputs.remove(0);
        Ok(Material {
            input: InputSpec::new(name, rows.schema()),
            rows,
            config: self.parameters(case),
            limits: case.limits.as_ref().unwrap_or(self.limits()).clone(),
            grants: case.grants.as_ref().unwrap_or(self.grants()).clone(),
        })
    }
}
