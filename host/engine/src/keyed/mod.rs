//! Steps of plugins that keep state: several inputs, and calls that work on the state of a task. Which task that
//! is comes with each call, so an instance belongs to a thread, as other steps' instances do.

mod instance;
mod migrate;
mod output;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::grants::Grants;
use crate::plan::{KeyedPlan, Output, Plan};
use crate::plugin::{Plugin, Step};
use crate::state::StoreSpec;

pub use instance::KeyedInstance;
pub use migrate::MigrateError;
pub use output::{DeadTimer, FireOutput, FiredOrigin, FiredRows};

/// A plugin that keeps state with its configuration on its streams. Cheap to clone, shared by all threads.
#[derive(Clone)]
pub struct KeyedStep {
    /// The step as that of the first input: what all steps have.
    step: Step,
    plan: Arc<KeyedPlan>,
}

impl fmt::Debug for KeyedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedStep").field("plugin", self.step.plugin()).finish_non_exhaustive()
    }
}

impl KeyedStep {
    pub(crate) fn new(step: Step, plan: KeyedPlan) -> Self {
        Self { step, plan: Arc::new(plan) }
    }

    /// The plugin.
    pub fn plugin(&self) -> &Plugin {
        self.step.plugin()
    }

    /// What it was granted.
    pub fn grants(&self) -> &Grants {
        self.step.grants()
    }

    /// Number of its inputs, which is one at least.
    pub fn inputs(&self) -> usize {
        self.plan.inputs.len()
    }

    /// What it declared to do with an input.
    ///
    /// # Panics
    /// If there is no such input.
    pub fn plan(&self, input: usize) -> &Plan {
        &self.plan.inputs[input].declared
    }

    /// Columns that state is keyed by; empty if it keeps none.
    ///
    /// # Panics
    /// If there is no such input.
    pub fn key(&self, input: usize) -> &[String] {
        &self.plan.keys[input]
    }

    /// Schema of the batches of an input.
    ///
    /// # Panics
    /// If there is no such input.
    pub fn input_schema(&self, input: usize) -> SchemaRef {
        Arc::clone(&self.plan.inputs[input].input)
    }

    /// Schema of an input's rows behind the step.
    ///
    /// # Panics
    /// If there is no such input.
    pub fn output_schema(&self, input: usize) -> SchemaRef {
        Arc::clone(&self.plan.inputs[input].output)
    }

    /// All outputs of the plan, by the numbers that [`crate::StepOutput::emitted`] and [`FiredRows::output`] give.
    /// Rows of one that has the name of an input continue in that input's stream; those that a batch of that
    /// input emits are among the rows passed on.
    pub fn outputs(&self) -> &[Output] {
        &self.plan.outputs
    }

    /// The stores that its plan declares.
    pub fn stores(&self) -> &[StoreSpec] {
        &self.plan.stores
    }

    /// Why the step does not run any more, if so.
    pub fn circuit(&self) -> Option<Arc<str>> {
        self.step.circuit()
    }

    /// Closes the circuit: the step is given batches again.
    pub fn close_circuit(&self) {
        self.step.close_circuit();
    }

    /// An instance for one thread. It costs nothing before the first call.
    pub fn instance(&self) -> KeyedInstance {
        KeyedInstance::new(self.clone())
    }
}
