//! What a stream's steps and tables are, worked out once at start: plugins are loaded and configured
//! against the schema before any data flows. A [`StreamPlan`] is immutable and shared by all tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use millstream_engine::{ConfigureError, InputSpec, Plugin, Step};
use millstream_model::entry::PluginUse;
use millstream_model::schema::StreamSchema;
use millstream_model::{Digest, columns};

use crate::aside::Guard;
use crate::config::{Placed, StepConfig, StreamConfig};
use crate::dead_letter;
use crate::decode::{Decoder, SchemaError};
use crate::library::config_digest;
use crate::route::{self, RouteError, Routing};
use crate::sink::TableSpec;
use crate::watermark::{LatePolicy, WatermarkSettings};

/// A stream, ready to run.
#[derive(Debug)]
pub struct StreamPlan {
    /// Name of the stream.
    pub name: Arc<str>,
    /// Its topic.
    pub topic: Arc<str>,
    /// Declared schema.
    pub schema: Arc<StreamSchema>,
    /// Steps in their order.
    pub steps: Vec<PlannedStep>,
    /// Every message.
    pub raw: Arc<TableSpec>,
    /// Where rows behind the last step go; none if the stream has neither steps nor routes.
    pub routing: Option<Routing>,
    /// Records that could not be processed, of all streams.
    pub dead_letters: Arc<TableSpec>,
    /// How event time is followed; none if the stream has none.
    pub watermark: Option<WatermarkSettings>,
}

/// One step, ready to run.
#[derive(Debug)]
pub struct PlannedStep {
    /// Name of the step.
    pub name: Arc<str>,
    /// The plugin with its configuration.
    pub step: Step,
    /// Its configuration.
    pub settings: serde_json::Value,
    /// Digest of that.
    pub config: Digest,
    /// Table of each of the step's side outputs, in the plugin's order.
    pub outputs: Vec<Arc<TableSpec>>,
    /// True if the step may add rows to its own stream.
    pub fans_out: bool,
    /// What it may cost before its circuit opens, and what happens then.
    pub guard: Guard,
}

/// A stream that cannot run as configured.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The declared schema does not hold together.
    #[error("stream `{stream}`: {source}")]
    Schema {
        /// The stream.
        stream: String,
        /// What is wrong.
        source: SchemaError,
    },
    /// A plugin does not fit its place.
    #[error("{place}: stream `{stream}`, step `{step}`: {source}")]
    Step {
        /// `file:line:column` of the step in the configuration.
        place: String,
        /// The stream.
        stream: String,
        /// The step.
        step: String,
        /// What is wrong.
        source: Box<ConfigureError>,
    },
    /// Late rows would go to a table behind the steps, and there are none.
    #[error(
        "{place}: `{key}`: \"table\" is for rows behind the steps, and stream `{stream}` has neither steps nor \
         routes; \"flag\" marks them in its raw table"
    )]
    NoLateTable {
        /// `file:line:column` in the configuration.
        place: String,
        /// Dotted key.
        key: String,
        /// The stream.
        stream: String,
    },
    /// A route does not fit the rows behind the last step, or its table.
    #[error("{place}: `{key}`: {source}")]
    Route {
        /// `file:line:column` in the configuration.
        place: String,
        /// Dotted key.
        key: String,
        /// What is wrong.
        source: Box<RouteError>,
    },
    /// An output of a plugin has no table.
    #[error(
        "stream `{stream}`, step `{step}`: plugin `{plugin}` has an output `{output}` that no table is named for; \
         add outputs = {{ {output} = \"curated.{output}\" }} to the step"
    )]
    UnroutedOutput {
        /// The stream.
        stream: String,
        /// The step.
        step: String,
        /// The plugin.
        plugin: String,
        /// The output.
        output: String,
    },
    /// An output's table has other rows already.
    #[error(
        "stream `{stream}`, step `{step}`: output `{output}` cannot go to table `{table}`, which holds other rows: \
         {difference}; name another one"
    )]
    TableTaken {
        /// The stream.
        stream: String,
        /// The step.
        step: String,
        /// The output.
        output: String,
        /// The table.
        table: String,
        /// In what the rows differ.
        difference: String,
    },
    /// Two sources of one stream feed one table. Each numbers its rows from 0, so that rows of both would be
    /// one to whoever knows them by offset and ordinal.
    #[error(
        "stream `{stream}`, step `{step}`: output `{output}` cannot go to table `{table}`, which {other} feeds \
         already: rows of one message would have the same _offset and _ordinal there; name another table"
    )]
    FedTwice {
        /// The stream.
        stream: String,
        /// The step.
        step: String,
        /// The output.
        output: String,
        /// The table.
        table: String,
        /// What else feeds it.
        other: String,
    },
    /// A table is named for an output that the plugin does not have.
    #[error("stream `{stream}`, step `{step}`: plugin `{plugin}` has no output `{output}`; it has: {known}")]
    UnknownOutput {
        /// The stream.
        stream: String,
        /// The step.
        step: String,
        /// The plugin.
        plugin: String,
        /// The output.
        output: String,
        /// The outputs it has.
        known: String,
    },
}

impl StreamPlan {
    /// Plans `stream`; `plugins` are its steps' plugins, in the order of the steps.
    pub fn new(stream: &StreamConfig, plugins: &[Plugin]) -> Result<Self, PlanError> {
        let decoder = Decoder::new(stream.schema.clone())
            .map_err(|source| PlanError::Schema { stream: stream.name.clone(), source })?;
        let event_time = stream.schema.event_time.as_ref().map(|event_time| event_time.column.as_str());
        let mut schema = decoder.row_schema();
        let mut steps = Vec::new();
        for (config, plugin) in stream.steps.iter().zip(plugins) {
            let step = planned_step(stream, config, plugin, schema)?;
            schema = step.step.output_schema();
            steps.push(step);
        }
        let is_curated = !stream.steps.is_empty() || !stream.routes.is_empty();
        if let Some(Placed { value, place, key }) = stream.watermark.clone().filter(|_| !is_curated)
            && value.late == LatePolicy::Table
        {
            return Err(PlanError::NoLateTable { place, key, stream: stream.name.clone() });
        }
        let routing = is_curated.then(|| Routing::new(stream, &schema)).transpose()?;
        Ok(Self {
            name: stream.name.as_str().into(),
            topic: stream.topic.as_str().into(),
            schema: stream.schema.clone(),
            raw: table(format!("raw.{}", stream.name), decoder.raw_schema(), event_time),
            routing,
            dead_letters: Arc::new(dead_letter::table()),
            watermark: stream.watermark.as_ref().map(|placed| placed.value),
            steps,
        })
    }

    /// The plugins of the stream's steps, as the log names them.
    pub fn plugins(&self) -> Vec<PluginUse> {
        let of_step = |step: &PlannedStep| PluginUse {
            stream: self.name.to_string(),
            step: step.name.to_string(),
            plugin: step.step.plugin().digest(),
            config: step.config,
        };
        self.steps.iter().map(of_step).collect()
    }

    /// True if one message may become several rows.
    pub fn fans_out(&self) -> bool {
        self.steps.iter().any(|step| step.fans_out)
    }

    /// Every table the stream writes, by name.
    pub fn tables(&self) -> BTreeMap<&str, &Arc<TableSpec>> {
        let outputs = self.steps.iter().flat_map(|step| &step.outputs);
        let routed = self.routing.iter().flat_map(Routing::tables);
        [&self.raw, &self.dead_letters]
            .into_iter()
            .chain(routed)
            .chain(outputs)
            .map(|table| (table.name.as_str(), table))
            .collect()
    }
}

/// Checks that no route and no output goes to a table of other rows: one that millstream fills itself, or
/// that another route or output fills with other columns, or with rows of the same messages.
pub fn check_tables<'a>(plans: &'a [Arc<StreamPlan>]) -> Result<(), PlanError> {
    let own = |plan: &'a StreamPlan| plan.routing.iter().flat_map(Routing::own);
    let own = plans.iter().flat_map(|plan| [&plan.raw, &plan.dead_letters].into_iter().chain(own(plan)));
    let own: BTreeSet<_> = own.map(|table| &table.name).collect();
    let mut shared: BTreeMap<&String, &Arc<TableSpec>> = route::check_tables(plans)?;
    for plan in plans {
        let outputs = |step: &'a PlannedStep| {
            step.outputs.iter().zip(step.step.outputs()).map(move |(table, output)| (step, table, output))
        };
        let routes = plan.routing.iter().flat_map(Routing::routes).map(|route| &route.table.name);
        let mut feeds: BTreeMap<_, _> =
            routes.map(|table| (table, "a route of the stream".to_owned())).collect();
        for (step, table, output) in plan.steps.iter().flat_map(outputs) {
            let known = *shared.entry(&table.name).or_insert(table);
            let reserved = own.contains(&table.name).then(|| "millstream fills it itself".to_owned());
            let difference = reserved.or_else(|| route::difference(known, table));
            let feed = format!("output `{}` of step `{}`", output.name, step.name);
            let other = feeds.insert(&table.name, feed);
            let (stream, table) = (plan.name.to_string(), table.name.clone());
            let (step, output) = (step.name.to_string(), output.name.clone());
            if let Some(other) = other {
                return Err(PlanError::FedTwice { stream, step, output, table, other });
            }
            if let Some(difference) = difference {
                return Err(PlanError::TableTaken { stream, step, output, table, difference });
            }
        }
    }
    Ok(())
}

fn planned_step(
    stream: &StreamConfig,
    config: &StepConfig,
    plugin: &Plugin,
    schema: SchemaRef,
) -> Result<PlannedStep, PlanError> {
    let event_time = stream.schema.event_time.as_ref().map(|event_time| event_time.column.as_str());
    let input = InputSpec { name: stream.name.clone(), schema };
    let step = plugin.configure(&config.config, &input, config.limits.clone()).map_err(|source| {
        PlanError::Step {
            place: config.place.clone(),
            stream: stream.name.clone(),
            step: config.name.clone(),
            source: Box::new(source),
        }
    })?;
    let names: Vec<_> = step.outputs().iter().map(|output| output.name.clone()).collect();
    if let Some(output) = config.outputs.keys().find(|output| !names.contains(output)) {
        return Err(PlanError::UnknownOutput {
            stream: stream.name.clone(),
            step: config.name.clone(),
            plugin: config.plugin.clone(),
            output: output.clone(),
            known: if names.is_empty() { "none".to_owned() } else { names.join(", ") },
        });
    }
    let mut outputs = Vec::new();
    for output in step.outputs() {
        let table_name = config.outputs.get(&output.name).ok_or_else(|| PlanError::UnroutedOutput {
            stream: stream.name.clone(),
            step: config.name.clone(),
            plugin: config.plugin.clone(),
            output: output.name.clone(),
        })?;
        let fields = curated_fields(&output.schema, event_time);
        outputs.push(table(table_name.clone(), Arc::new(Schema::new(fields)), event_time));
    }
    Ok(PlannedStep {
        name: config.name.as_str().into(),
        fans_out: step.fans_out(),
        settings: config.config.clone(),
        config: config_digest(&config.config),
        guard: Guard::new(&config.circuit),
        step,
        outputs,
    })
}

pub(crate) fn table(name: String, schema: SchemaRef, event_time: Option<&str>) -> Arc<TableSpec> {
    let event_time = day_column(&schema, event_time).to_owned();
    Arc::new(TableSpec { name, schema, event_time })
}

/// The column whose day partitions a table: the stream's event-time column, if the table has it as an
/// instant, else what the decoder read of it.
fn day_column<'a>(schema: &Schema, event_time: Option<&'a str>) -> &'a str {
    let named = event_time.filter(|name| schema.field_with_name(name).is_ok_and(is_instant));
    named.unwrap_or(if schema.field_with_name(columns::EVENT_TIME).is_ok() {
        columns::EVENT_TIME
    } else {
        columns::TIMESTAMP
    })
}

fn is_instant(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC")
}

/// Columns of a table behind the steps whose rows are of `schema`: those of the rows, with `_ordinal` behind
/// `_offset`, without the message key (the raw table has it) and without `_event_time` where a column says the
/// same.
pub(crate) fn curated_fields(schema: &Schema, event_time: Option<&str>) -> Vec<Field> {
    let says_it = day_column(schema, event_time) != columns::EVENT_TIME;
    let mut fields = Vec::new();
    for field in schema.fields() {
        let name = field.name().as_str();
        if name == columns::KEY || (name == columns::EVENT_TIME && says_it) {
            continue;
        }
        fields.push(field.as_ref().clone());
        if name == columns::OFFSET {
            fields.push(Field::new(columns::ORDINAL, DataType::Int32, false));
        }
    }
    fields
}
