//! A step: what each thread makes its instance of, and the circuit that they share.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::Plugin;
use super::configure::Setup;
use crate::allowance::Allowance;
use crate::bindings::guest;
use crate::circuit::Circuit;
use crate::engine::Engine;
use crate::grants::Grants;
use crate::instance::Running;
use crate::limits::Limits;
use crate::outbound::HostFigures;
use crate::output::Cause;
use crate::plan::{self, Output, Plan, Reach, StepPlan, Target};
use crate::recovery::StepInstance;
use crate::symbols::Symbols;

/// A plugin with its configuration on a stream. Cheap to clone, shared by all threads; each thread makes
/// an instance of its own.
#[derive(Clone)]
pub struct Step {
    shared: Arc<StepShared>,
}

struct StepShared {
    plugin: Plugin,
    setup: Arc<Setup>,
    grants: Grants,
    /// The plan as the plugin gave it first; every instance must give the same.
    promised: guest::Plan,
    plan: Arc<StepPlan>,
    circuit: Circuit,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("plugin", &self.shared.plugin).finish_non_exhaustive()
    }
}

impl Step {
    pub(super) fn new(
        plugin: &Plugin,
        setup: Setup,
        grants: &Grants,
        promised: guest::Plan,
        plan: Arc<StepPlan>,
    ) -> Self {
        let step = StepShared {
            plugin: plugin.clone(),
            setup: Arc::new(setup),
            grants: grants.clone(),
            promised,
            plan,
            circuit: Circuit::default(),
        };
        Self { shared: Arc::new(step) }
    }

    /// The plugin.
    pub fn plugin(&self) -> &Plugin {
        &self.shared.plugin
    }

    /// What it declared to do.
    pub fn plan(&self) -> &Plan {
        &self.shared.plan.declared
    }

    /// What it was granted.
    pub fn grants(&self) -> &Grants {
        &self.shared.grants
    }

    /// True if it may send requests: a call may then wait for servers for as long as its deadline allows, so
    /// such a step must not run where others wait for it.
    pub fn uses_http(&self) -> bool {
        self.shared.setup.outbound.is_some()
    }

    /// What came of its requests, by server and outcome.
    pub fn http_figures(&self) -> Vec<HostFigures> {
        self.shared.setup.outbound.as_ref().map_or_else(Vec::new, |outbound| outbound.figures())
    }

    /// What this step may do that `over`, the running version, may not, in words for whoever approves it:
    /// ``newly reads column `driver_name` ``. Empty if it may do no more.
    pub fn widened(&self, over: &Self) -> Vec<String> {
        plan::widened(self.reach(), over.reach())
    }

    fn reach(&self) -> Reach<'_> {
        let StepShared { plugin, grants, promised, .. } = &*self.shared;
        Reach { plan: promised, imports_http: plugin.imports_http(), grants }
    }

    /// Schema of the batches it takes.
    pub fn input_schema(&self) -> SchemaRef {
        Arc::clone(&self.shared.plan.input)
    }

    /// Schema of the rows it passes on: the input's without the dropped columns, rewritten ones in place
    /// (perhaps with another type), new ones before the system columns.
    pub fn output_schema(&self) -> SchemaRef {
        Arc::clone(&self.shared.plan.output)
    }

    /// The outputs that leave the stream; [`crate::StepOutput::emitted`] refers to them by index.
    pub fn outputs(&self) -> &[Output] {
        &self.shared.plan.routed
    }

    /// True if the plugin may add rows to the stream: one message may become several rows.
    pub fn fans_out(&self) -> bool {
        self.shared.plan.emits.iter().any(|emit| emit.target == Target::Stream)
    }

    /// Why the step does not run any more, if so.
    pub fn circuit(&self) -> Option<Arc<str>> {
        self.shared.circuit.reason()
    }

    /// Opens the circuit of all instances of the step; true if it was closed.
    pub fn open_circuit(&self, reason: &Arc<str>) -> bool {
        self.shared.circuit.open(reason)
    }

    /// Closes the circuit: the step is given batches again.
    pub fn close_circuit(&self) {
        self.shared.circuit.close();
    }

    /// The same step with a circuit of its own: what happens to either one means nothing to the other.
    pub fn apart(&self) -> Self {
        let StepShared { plugin, setup, grants, promised, plan, .. } = &*self.shared;
        let step = StepShared {
            plugin: plugin.clone(),
            setup: Arc::clone(setup),
            grants: grants.clone(),
            promised: promised.clone(),
            plan: Arc::clone(plan),
            circuit: Circuit::default(),
        };
        Self { shared: Arc::new(step) }
    }

    /// An instance for one thread. It costs nothing before the first batch.
    pub fn instance(&self) -> StepInstance {
        StepInstance::new(self.clone())
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.setup.limits
    }

    /// Logs what rows or timers are guilty of, within the plugin's share of the log.
    pub(crate) fn log_blame(&self, cause: Cause, reason: &str, parts: usize) {
        self.shared.setup.logs.blame(self.plugin().name(), cause, reason, parts);
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.plugin.shared.engine
    }

    pub(crate) fn checked_plan(&self) -> &Arc<StepPlan> {
        &self.shared.plan
    }

    /// How long an instance may take to start, and again to be configured.
    pub(crate) fn start_allowance(&self) -> Allowance {
        Allowance::Cpu(self.engine().shared.settings.start_deadline)
    }

    /// What the plugin says about its source.
    pub(crate) fn symbols(&self) -> &Symbols {
        &self.shared.plugin.shared.program.symbols
    }

    /// Starts and configures an instance; the error is why the step cannot go on.
    pub(crate) fn start(&self, allowance: Allowance) -> Result<Running, String> {
        let started = self.shared.setup.start(&self.engine().shared, allowance);
        let (running, answer) = started.map_err(|error| error.to_string())?;
        match answer {
            Ok(plan) if plan == self.shared.promised => Ok(running),
            _ => Err(format!(
                "plugin `{}` answered the same configuration with another plan than before",
                self.plugin().name()
            )),
        }
    }
}
