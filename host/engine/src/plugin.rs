//! Plugins and steps: a plugin is code; a step is a plugin with a configuration on a stream, whose plan
//! has been checked before the first row.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use millstream_model::Digest;

use crate::bindings::{TransformPre, guest};
use crate::calls::{Calls, LogGate};
use crate::engine::Engine;
use crate::grants::Grants;
use crate::instance::{Running, StartError};
use crate::limits::Limits;
use crate::outbound::{HostFigures, Outbound};
use crate::parameters;
use crate::plan::{self, InputSpec, Output, Plan, PlanProblem, Reach, StepPlan, Target};
use crate::recovery::StepInstance;
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
    name: Arc<str>,
    digest: Digest,
    size: usize,
    about: About,
    imports_http: bool,
    transform: TransformPre<Calls>,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PluginShared { name, digest, .. } = &*self.shared;
        f.debug_struct("Plugin").field("name", name).field("digest", digest).finish_non_exhaustive()
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
        name: &str,
        digest: Digest,
        size: usize,
        about: guest::About,
        transform: TransformPre<Calls>,
    ) -> Self {
        let guest::About { name: own_name, version, config_schema, example_config } = about;
        let about = About { name: own_name, version, config_schema, example_config };
        let name = Arc::from(name);
        let component = transform.instance_pre().component().component_type();
        let imports_http = component
            .imports(&engine.shared.wasmtime)
            .any(|(import, _)| import.starts_with("millstream:plugin/http@"));
        Self { shared: Arc::new(PluginShared { engine, name, digest, size, about, imports_http, transform }) }
    }

    /// The name it was loaded by: its file's.
    pub fn name(&self) -> &str {
        &self.shared.name
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

    /// Checks the configuration against the plugin's own schema, asks the plugin for its plan and checks that
    /// against the grants and the stream; no row flows before this succeeds.
    pub fn configure(
        &self,
        config: &serde_json::Value,
        input: &InputSpec,
        limits: Limits,
        grants: &Grants,
    ) -> Result<Step, ConfigureError> {
        if let Some(schema) = &self.about().config_schema {
            parameters::check(self.name(), schema, config)?;
        }
        let mut setup = Setup {
            config: config.to_string(),
            input: guest::Input {
                name: input.name.clone(),
                fields: input.schema.fields().iter().map(|field| field_to_wit(field)).collect(),
            },
            logs: Arc::new(LogGate::new(limits.log_lines_per_second)),
            limits,
            outbound: None,
        };
        let (_, answer) = setup.start(self)?;
        let promised = answer.map_err(|problems| ConfigureError::Refused {
            plugin: self.name().to_owned(),
            problems: problems
                .into_iter()
                .map(|problem| ConfigProblem { path: problem.path, message: problem.message })
                .collect(),
        })?;
        let reach = Reach { plan: &promised, imports_http: self.imports_http(), grants };
        let plan = plan::check_http(reach)
            .and_then(|()| plan::check_grants(self.name(), reach))
            .and_then(|()| plan::check(&promised, input))
            .map_err(|problem| ConfigureError::Plan {
                plugin: self.name().to_owned(),
                input: input.name.clone(),
                problem,
            })?;
        setup.outbound = self.outbound(grants)?;
        let step = StepShared {
            plugin: self.clone(),
            setup,
            grants: grants.clone(),
            promised,
            plan: Arc::new(plan),
            circuit: OnceLock::new(),
        };
        Ok(Step { shared: Arc::new(step) })
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

/// What every instance of a step is started with.
pub(crate) struct Setup {
    config: String,
    input: guest::Input,
    logs: Arc<LogGate>,
    pub(crate) limits: Limits,
    outbound: Option<Arc<dyn Outbound>>,
}

impl Setup {
    fn start(
        &self,
        plugin: &Plugin,
    ) -> Result<(Running, Result<guest::Plan, Vec<guest::ConfigProblem>>), StartError> {
        let PluginShared { engine, name, transform, .. } = &*plugin.shared;
        let mut running = Running::start(&engine.shared, name, transform, &self.limits, &self.logs)?;
        if let Some(outbound) = &self.outbound {
            running.connect(Arc::clone(outbound));
        }
        let answer = running.configure(&engine.shared, &self.config, &self.input)?;
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
    setup: Setup,
    grants: Grants,
    /// The plan as the plugin gave it first; every instance must give the same.
    promised: guest::Plan,
    plan: Arc<StepPlan>,
    circuit: OnceLock<Arc<str>>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("plugin", &self.shared.plugin).finish_non_exhaustive()
    }
}

impl Step {
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

    /// Why the step does not run any more, if so: then all rows are rejected.
    pub fn circuit(&self) -> Option<&Arc<str>> {
        self.shared.circuit.get()
    }

    /// An instance for one thread. It costs nothing before the first batch.
    pub fn instance(&self) -> StepInstance {
        StepInstance::new(self.clone())
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.setup.limits
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.plugin.shared.engine
    }

    pub(crate) fn checked_plan(&self) -> &Arc<StepPlan> {
        &self.shared.plan
    }

    /// Opens the circuit; the reason, unless it was open before and has another one.
    pub(crate) fn open_circuit(&self, reason: &str) -> Option<Arc<str>> {
        let reason: Arc<str> = Arc::from(reason);
        self.shared.circuit.set(Arc::clone(&reason)).is_ok().then_some(reason)
    }

    /// Starts and configures an instance; the error is why the step cannot go on.
    pub(crate) fn start(&self) -> Result<Running, String> {
        let (running, answer) =
            self.shared.setup.start(&self.shared.plugin).map_err(|error| error.to_string())?;
        match answer {
            Ok(plan) if plan == self.shared.promised => Ok(running),
            _ => Err(format!(
                "plugin `{}` answered the same configuration with another plan than before",
                self.plugin().name()
            )),
        }
    }
}
