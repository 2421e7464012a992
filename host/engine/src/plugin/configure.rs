//! Makes a step of a plugin: asks for its plan, and holds that against the stream, the grants and the limits.

use std::sync::Arc;

use super::{Plugin, Step};
use crate::allowance::Allowance;
use crate::bindings::guest;
use crate::calls::LogGate;
use crate::engine::Shared;
use crate::grants::Grants;
use crate::instance::{Program, Running, StartError};
use crate::keyed::KeyedStep;
use crate::limits::{Limits, size};
use crate::lookup::Tables;
use crate::outbound::Outbound;
use crate::parameters;
use crate::plan::{self, InputSpec, PlanProblem, Reach};
use crate::refusal::refused;
use crate::types::field_to_wit;

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

fn guest_input(input: &InputSpec) -> guest::Input {
    let fields = input.schema.fields().iter().map(|field| field_to_wit(field)).collect();
    guest::Input { name: input.name.clone(), fields }
}

/// What every instance of a step is started with.
pub(super) struct Setup {
    program: Program,
    config: String,
    inputs: Vec<guest::Input>,
    pub(super) logs: Arc<LogGate>,
    pub(super) limits: Limits,
    pub(super) outbound: Option<Arc<dyn Outbound>>,
}

impl Setup {
    pub(super) fn start(
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
