//! What a plugin says it will do at a place, and what it lacks there. The plugin is configured twice: with
//! nothing granted, which names everything that it asks for, and as it would run.

use arrow::datatypes::Field;
use millstream_engine::{
    ConfigureError, Grants, KeyedStep, Output as Routed, Plan as Declared, Plugin, Step, Tables,
};
use millstream_model::columns;
use millstream_model::schema::type_name;
use serde::Serialize;
use serde_json::Value;

use super::grants::Needed;
use crate::verbs::plugin::place::Place;

/// A plan, or why there is none.
#[derive(Serialize)]
pub(super) struct Found {
    /// Where it was asked for.
    pub(super) place: String,
    /// The configuration that it was asked for with.
    pub(super) config: Value,
    /// What the plugin must be granted for it.
    pub(super) grants_needed: Needed,
    /// File that the grants stand in.
    pub(super) grants_file: String,
    /// True if what it was granted there is enough.
    pub(super) is_granted: bool,
    pub(super) plan: Option<Plan>,
    /// Why it cannot run there, and what to do.
    pub(super) problem: Option<String>,
}

/// What a plugin declares that it does.
#[derive(Serialize)]
pub(super) struct Plan {
    pub(super) reads: Vec<Column>,
    pub(super) writes: Vec<Column>,
    pub(super) drops: Vec<String>,
    /// It neither drops, rejects nor emits rows.
    pub(super) row_preserving: bool,
    /// It may make several rows of one.
    pub(super) fans_out: bool,
    pub(super) outputs: Vec<Output>,
    /// Columns that its state is kept by.
    pub(super) key: Vec<String>,
    pub(super) stores: Vec<Store>,
}

/// State that it keeps.
#[derive(Serialize)]
pub(super) struct Store {
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) ttl_seconds: Option<u64>,
}

/// A column as the plugin sees it.
#[derive(Serialize)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) r#type: String,
    pub(super) nullable: bool,
}

/// Rows that it makes for another table.
#[derive(Serialize)]
pub(super) struct Output {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
}

/// Asks `plugin` what it does at `place`.
pub(super) fn find(plugin: &Plugin, place: &Place) -> Found {
    let Place { what, config, grants, .. } = place;
    let nothing = Grants { strict: true, file: grants.file.clone(), ..Grants::default() };
    let needed = match configured(plugin, place, &nothing) {
        Err(ConfigureError::Plan { problem, .. }) => Needed::of(&problem),
        _ => Needed::default(),
    };
    let lacking = configured(plugin, place, grants);
    let is_granted = !matches!(&lacking, Err(error) if Needed::is_lacking(error));
    let (plan, problem) = match (lacking, is_granted) {
        (Ok(plan), _) => (Some(plan), None),
        (Err(error), true) => (None, Some(problem(&error))),
        // The plan does not depend on what is granted.
        (Err(lacking), false) => match configured(plugin, place, &needed.granted()) {
            Ok(plan) => (Some(plan), place.is_held_to_grants.then(|| problem(&lacking))),
            Err(error) => (None, Some(problem(&error))),
        },
    };
    let file = match grants.file.as_str() {
        "" => format!("{}.toml", plugin.name()),
        file => file.to_owned(),
    };
    Found {
        place: what.clone(),
        config: config.clone(),
        grants_needed: needed,
        grants_file: file,
        is_granted,
        plan,
        problem,
    }
}

/// What `plugin` plans at `place` if it is granted so much. One that keeps state is asked as the only input's.
fn configured(plugin: &Plugin, place: &Place, grants: &Grants) -> Result<Plan, ConfigureError> {
    let Place { input, config, limits, .. } = place;
    if !plugin.keeps_state() {
        return plugin.configure(config, input, limits.clone(), grants).map(|step| of_step(&step));
    }
    let inputs = std::slice::from_ref(input);
    let step = plugin.configure_keyed(config, inputs, limits.clone(), grants, &Tables::new())?;
    Ok(of_keyed(&step, &input.name))
}

/// What is wrong, and what can be done where the engine's words do not say it.
fn problem(error: &ConfigureError) -> String {
    let remedy = match error {
        ConfigureError::Parameters { .. } | ConfigureError::Refused { .. } => {
            "; its parameters stand in [config] of the file beside it, or in the step's config"
        }
        ConfigureError::Network { .. } => "; name a configuration by --config and a stream by --stream",
        _ => "",
    };
    format!("{error}{remedy}")
}

fn of_step(step: &Step) -> Plan {
    Plan { fans_out: step.fans_out(), ..plan(step.plan(), step.outputs()) }
}

fn of_keyed(step: &KeyedStep, input: &str) -> Plan {
    let stores = step.stores().iter().map(|store| Store {
        name: store.name.clone(),
        version: store.version,
        ttl_seconds: store.ttl_seconds,
    });
    Plan {
        fans_out: step.outputs().iter().any(|output| output.name == input),
        key: step.key(0).to_vec(),
        stores: stores.collect(),
        ..plan(step.plan(0), step.outputs())
    }
}

fn plan(declared: &Declared, outputs: &[Routed]) -> Plan {
    let outputs = outputs.iter().map(|output| {
        let own = output.schema.fields().iter().filter(|field| !columns::is_system(field.name()));
        Output { name: output.name.clone(), columns: own.map(|field| column(field)).collect() }
    });
    Plan {
        reads: declared.reads.iter().map(column).collect(),
        writes: declared.writes.iter().map(column).collect(),
        drops: declared.drops.clone(),
        row_preserving: declared.row_preserving,
        fans_out: false,
        outputs: outputs.collect(),
        key: Vec::new(),
        stores: Vec::new(),
    }
}

fn column(field: &Field) -> Column {
    Column { name: field.name().clone(), r#type: type_name(field.data_type()), nullable: field.is_nullable() }
}
