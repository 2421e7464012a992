//! Plugins and steps: a plugin is code; a step is a plugin with a configuration on a stream, whose plan
//! has been checked before the first row.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use millstream_model::Digest;

use crate::allowance::Allowance;
use crate::bindings::{TransformPre, guest};
use crate::calls::{Calls, LogGate};
use crate::circuit::Circuit;
use crate::engine::{Engine, Shared};
use crate::grants::Grants;
use crate::instance::{Program, Running, StartError};
use crate::keyed::KeyedStep;
use crate::limits::{Limits, STACK_BYTES, size};
use crate::load::World;
use crate::lookup::Tables;
use crate::outbound::{HostFigures, Outbound};
use crate::output::Cause;
use crate::parameters;
use crate::plan::{self, InputSpec, Output, Plan, PlanProblem, Reach, StepPlan, Target};
use crate::recovery::StepInstance;
use crate::refusal::refused;
use crate::symbols::Symbols;
use crate::types::field_to_wit;

/// What a plugin says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// JSON schema of its configuration, if it gives one.
    pub config_schema: Option<String>,
    /// An example of a configuration (JSON text).
    pub example_config: String,
}

/// A loaded plugin: compiled, of the right world, able to start. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    shared: Arc<PluginShared>,
}

struct PluginShared {
    engine: Engine,
    program: Program,
    digest: Digest,
    size: usize,
    about: About,
    imports_http: bool,
    /// The import or export that shows that it keeps state.
    state_evidence: Option<String>,
    migrates: bool,
    /// The same for steps with another stack than the default, by its size.
    other_stacks: Mutex<BTreeMap<usize, TransformPre<Calls>>>,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PluginShared { program, digest, .. } = &*self.shared;
        f.debug_struct("Plugin").field("name", &program.name).field("digest", digest).finish_non_exhaustive()
    }
}

/// A plugin cannot be used on a stream with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// It failed before it could answer.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The configuration does not fit the plugin's own schema.
    #[error("the configuration does not fit the schema of plugin `{plugin}`: {}", list(problems))]
    Parameters {
        /// Name of the plugin.
        plugin: String,
        /// What does not fit.
        problems: Vec<ConfigProblem>,
    },
    /// The schema that the plugin gives for its configuration cannot be used.
    #[error(
        "the configuration schema of plugin `{plugin}` cannot be used, which is the plugin's fault and not the \
         configuration's: {reason}; correct its config_schema and build it again"
    )]
    BrokenSchema {
        /// Name of the plugin.
        plugin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It refuses the configuration.
    #[error("plugin `{plugin}` refuses its configuration: {}", list(problems))]
    Refused {
        /// Name of the plugin.
        plugin: String,
        /// What it says is wrong.
        problems: Vec<ConfigProblem>,
    },
    /// It finds that its plan does not fit the stream.
    #[error(
        "plugin `{plugin}` cannot run on stream `{input}`: its plan does not fit the stream: {}; correct the stream's \
         columns, or the configuration that names them",
        problems.join("; ")
    )]
    Unfit {
        /// Name of the plugin.
        plugin: String,
        /// Name of the stream, or of the first that it does not fit.
        input: String,
        /// What it says is wrong.
        problems: Vec<String>,
    },
    /// It keeps state, and steps of streams do not.
    #[error(
        "plugin `{plugin}` is of world keyed-transform, which keeps state (it {evidence}); \
         this version of millstream runs worlds transform and transform-with-http only"
    )]
    KeepsState {
        /// Name of the plugin.
        plugin: String,
        /// The import or export that shows it.
        evidence: String,
    },
    /// It does not keep state, and was to be run as one that does.
    #[error("plugin `{plugin}` is not of world keyed-transform: it keeps no state and has one input")]
    KeepsNoState {
        /// Name of the plugin.
        plugin: String,
    },
    /// No instances with such a stack can be made on this machine.
    #[error("plugin `{plugin}` cannot have a stack of {}: {reason}", size(*stack_bytes))]
    Stack {
        /// Name of the plugin.
        plugin: String,
        /// The stack.
        stack_bytes: usize,
        /// What the engine said.
        reason: String,
    },
    /// Its plan does not fit the stream or this host.
    #[error("plugin `{plugin}` cannot run on stream `{input}`: {problem}")]
    Plan {
        /// Name of the plugin.
        plugin: String,
        /// Name of the stream.
        input: String,
        /// What is wrong.
        problem: PlanProblem,
    },
    /// It may send requests, and its grants of servers cannot be served.
    #[error("plugin `{plugin}` cannot send requests: {reason}")]
    Network {
        /// Name of the plugin.
        plugin: String,
        /// Why.
        reason: String,
    },
}

/// One thing a plugin finds wrong with its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Where, as `zone` or `limits.speed`; empty for the whole.
    pub path: String,
    /// What.
    pub message: String,
}

fn list(problems: &[ConfigProblem]) -> String {
    let one = |problem: &ConfigProblem| match problem.path.as_str() {
        "" => problem.message.clone(),
        path => format!("`{path}`: {}", problem.message),
    };
    problems.iter().map(one).collect::<Vec<_>>().join("; ")
}

impl Plugin {
    pub(crate) fn new(
        engine: Engine,
        program: Program,
        world: World,
        digest: Digest,
        size: usize,
        about: guest::About,
    ) -> Self {
        let guest::About { name: own_name, version, config_schema, example_config } = about;
        let about = About { name: own_name, version, config_schema, example_config };
        let World { imports_http, state_evidence, migrates, .. } = world;
        Self {
            shared: Arc::new(PluginShared {
                engine,
                program,
                digest,
                size,
                about,
                imports_http,
                state_evidence,
                migrates,
                other_stacks: Mutex::default(),
            }),
        }
    }

    /// The name it was loaded by: its file's.
    pub fn name(&self) -> &str {
        &self.shared.program.name
    }

    /// Digest of the bytes it was loaded from.
    pub fn digest(&self) -> Digest {
        self.shared.digest
    }

    /// Size of those bytes.
    pub fn size(&self) -> usize {
        self.shared.size
    }

    /// What it says about itself.
    pub fn about(&self) -> &About {
        &self.shared.about
    }

    /// True if it can send requests over HTTP, where its grants allow that.
    pub fn imports_http(&self) -> bool {
        self.shared.imports_http
    }

    /// True if it is of a world with state: it runs as a [`KeyedStep`].
    pub fn keeps_state(&self) -> bool {
        self.shared.state_evidence.is_some()
    }

    /// True if it brings state of an older version of itself to its own.
    pub fn migrates(&self) -> bool {
        self.shared.migrates
    }

    /// Checks the configuration against the plugin's own schema, asks the plugin for its plan and checks that
    /// against the grants and the stream; no row flows before this succeeds. There are no lookup tables.
    ///
    /// # Errors
    /// If the plugin keeps state, refuses the configuration, or its plan does not fit.
    pub fn configure(
        &self,
        config: &serde_json::Value,
        input: &InputSpec,
        limits: Limits,
        grants: &Grants,
    ) -> Result<Step, ConfigureError> {
        self.configure_with_tables(config, input, limits, grants, &Tables::new())
    }

    /// As [`Plugin::configure`], and the plugin may use those of `tables` that its plan names and its grants
    /// give.
    ///
    /// # Errors
    /// As [`Plugin::configure`].
    pub fn configure_with_tables(
        &self,
        config: &serde_json::Value,
        input: &InputSpec,
        limits: Limits,
        grants: &Grants,
        tables: &Tables,
    ) -> Result<Step, ConfigureError> {
        if let Some(evidence) = &self.shared.state_evidence {
            let (plugin, evidence) = (self.name().to_owned(), evidence.clone());
            return Err(ConfigureError::KeepsState { plugin, evidence });
        }
        let inputs = std::slice::from_ref(input);
        let (setup, promised) = self.set_up(config, inputs, limits, grants)?;
        let plan =
            plan::check(&promised, input, tables).map_err(|problem| self.plan_error(&input.name, problem))?;
        Ok(Step::new(self, setup, grants, promised, Arc::new(plan)))
    }

    /// As [`Plugin::configure_with_tables`], for a plugin that keeps state: `inputs` are its streams in the
    /// order of its plan.
    ///
    /// # Errors
    /// As [`Plugin::configure`], and if the plugin does not keep state.
    pub fn configure_keyed(
        &self,
        config: &serde_json::Value,
        inputs: &[InputSpec],
        limits: Limits,
        grants: &Grants,
        tables: &Tables,
    ) -> Result<KeyedStep, ConfigureError> {
        if !self.keeps_state() {
            return Err(ConfigureError::KeepsNoState { plugin: self.name().to_owned() });
        }
        let (setup, promised) = self.set_up(config, inputs, limits, grants)?;
        let plan = plan::check_keyed(&promised, inputs, tables).map_err(|(input, problem)| {
            self.plan_error(inputs.get(input).map_or("", |input| &input.name), problem)
        })?;
        let first = plan.inputs.first().map(Arc::clone);
        let none = PlanProblem::Inputs { found: 0, expected: 1 };
        let first = first.ok_or_else(|| self.plan_error("", none))?;
        Ok(KeyedStep::new(Step::new(self, setup, grants, promised, first), plan))
    }

    fn plan_error(&self, input: &str, problem: PlanProblem) -> ConfigureError {
        ConfigureError::Plan { plugin: self.name().to_owned(), input: input.to_owned(), problem }
    }

    /// Checks the configuration, asks for the plan and holds it against the grants.
    fn set_up(
        &self,
        config: &serde_json::Value,
        inputs: &[InputSpec],
        limits: Limits,
        grants: &Grants,
    ) -> Result<(Setup, guest::Plan), ConfigureError> {
        if let Some(schema) = &self.about().config_schema {
            parameters::check(self.name(), schema, config)?;
        }
        let program = self.with_stack(limits.stack_given())?;
        let mut setup = Setup {
            program,
            config: config.to_string(),
            inputs: inputs.iter().map(guest_input).collect(),
            logs: Arc::new(LogGate::new(&limits)),
            limits,
            outbound: None,
        };
        let engine = &self.shared.engine.shared;
        let (_, answer) = setup.start(engine, Allowance::Cpu(engine.settings.start_deadline))?;
        let promised = answer.map_err(|problems| refused(self.name(), inputs, problems))?;
        let reach = Reach { plan: &promised, imports_http: self.imports_http(), grants };
        plan::check_http(reach)
            .and_then(|()| plan::check_grants(self.name(), reach))
            .map_err(|problem| self.plan_error(inputs.first().map_or("", |input| &input.name), problem))?;
        setup.outbound = self.outbound(grants)?;
        Ok((setup, promised))
    }

    /// Who sends what it may send.
    fn outbound(&self, grants: &Grants) -> Result<Option<Arc<dyn Outbound>>, ConfigureError> {
        if !self.imports_http() {
            return Ok(None);
        }
        let nobody = || Err("this engine has no network".to_owned());
        let network = self.shared.engine.shared.settings.network.as_ref();
        let outbound = network.map_or_else(nobody, |network| network.outbound(&grants.http));
        outbound
            .map(Some)
            .map_err(|reason| ConfigureError::Network { plugin: self.name().to_owned(), reason })
    }
}

impl Plugin {
    /// The plugin for calls with a stack of `stack_bytes`.
    fn with_stack(&self, stack_bytes: usize) -> Result<Program, ConfigureError> {
        let PluginShared { engine, program, other_stacks, .. } = &*self.shared;
        if stack_bytes == STACK_BYTES {
            return Ok(program.clone());
        }
        let mut others = other_stacks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(transform) = others.get(&stack_bytes) {
            return Ok(Program { transform: transform.clone(), ..program.clone() });
        }
        let transform = engine.shared.stacks.with(stack_bytes, &program.transform).map_err(|error| {
            let (plugin, reason) = (self.name().to_owned(), format!("{error:#}"));
            ConfigureError::Stack { plugin, stack_bytes, reason }
        })?;
        others.insert(stack_bytes, transform.clone());
        Ok(Program { transform, ..program.clone() })
    }
}

fn guest_input(input: &InputSpec) -> guest::Input {
    let fields = input.schema.fields().iter().map(|field| field_to_wit(field)).collect();
    guest::Input { name: input.name.clone(), fields }
}

/// What every instance of a step is started with.
pub(crate) struct Setup {
    program: Program,
    config: String,
    inputs: Vec<guest::Input>,
    logs: Arc<LogGate>,
    pub(crate) limits: Limits,
    outbound: Option<Arc<dyn Outbound>>,
}

impl Setup {
    fn start(
        &self,
        engine: &Shared,
        allowance: Allowance,
    ) -> Result<(Running, Result<guest::Plan, Vec<guest::ConfigProblem>>), StartError> {
        let mut running = Running::start(engine, &self.program, &self.limits, &self.logs, allowance)?;
        if let Some(outbound) = &self.outbound {
            running.connect(Arc::clone(outbound));
        }
        let answer = running.configure(engine, &self.config, &self.inputs, allowance)?;
        Ok((running, answer))
    }
}

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
    fn new(
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
