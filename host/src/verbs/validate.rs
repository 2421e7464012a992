//! `millstream validate`: everything that can be checked without a broker and a lake.

use millstream_model::schema::type_name;
use millstream_pipeline::plan::StreamPlan;
use millstream_pipeline::sink::TableSpec;
use millstream_pipeline::start;
use serde_json::json;

use crate::{args, out};

/// Checks, and prints what would run.
pub fn validate(args: &args::Validate) -> anyhow::Result<()> {
    let config = super::read_config(&args.config)?;
    let engine = super::engine(&config)?;
    let plans = start::plan(&config, &engine)?;
    if args.json {
        return plans.iter().try_for_each(|plan| out::line(json(plan)));
    }
    for plan in &plans {
        out::text(describe(plan))?;
    }
    if let Some(plan) = plans.first() {
        out::text(describe_table(&plan.dead_letters))?;
    }
    out::line(format_args!("{} is valid", args.config.config.display()))
}

fn describe(plan: &StreamPlan) -> String {
    let mut text = format!("stream {} from topic {}\n", plan.name, plan.topic);
    for step in &plan.steps {
        let plugin = step.step.plugin();
        let about = plugin.about();
        text += &format!(
            "  step {}: {} {} ({})\n",
            step.name,
            about.name,
            about.version,
            plugin.digest().short()
        );
    }
    for route in plan.routing.iter().flat_map(|routing| routing.routes()) {
        let condition = route.condition.as_ref().map_or_else(|| "true".to_owned(), ToString::to_string);
        text += &format!("  route to {} where {condition}\n", route.table.name);
    }
    // The dead letters are one table for all streams, and stand at the end.
    let own = plan.tables().into_iter().filter(|(name, _)| *name != plan.dead_letters.name);
    own.fold(text, |text, (_, table)| text + &describe_table(table))
}

fn describe_table(table: &TableSpec) -> String {
    let mut text = format!("  table {}, by day of {}\n", table.name, table.event_time);
    for field in table.schema.fields() {
        let null = if field.is_nullable() { "" } else { " not null" };
        text += &format!("    {}: {}{null}\n", field.name(), type_name(field.data_type()));
    }
    text
}

fn json(plan: &StreamPlan) -> serde_json::Value {
    let steps = plan.steps.iter().map(|step| {
        let plugin = step.step.plugin();
        json!({ "step": *step.name, "plugin": plugin.about().name, "version": plugin.about().version, "digest": plugin.digest() })
    });
    let tables = plan.tables().into_iter().map(|(name, table)| {
        let columns = table.schema.fields().iter().map(|field| {
            json!({ "name": field.name(), "type": type_name(field.data_type()), "nullable": field.is_nullable() })
        });
        json!({ "table": name, "event_time": table.event_time, "columns": columns.collect::<Vec<_>>() })
    });
    let routes = plan.routing.iter().flat_map(|routing| routing.routes()).map(|route| {
        json!({ "table": route.table.name, "where": route.condition.as_ref().map(ToString::to_string) })
    });
    json!({
        "stream": *plan.name,
        "topic": *plan.topic,
        "steps": steps.collect::<Vec<_>>(),
        "routes": routes.collect::<Vec<_>>(),
        "tables": tables.collect::<Vec<_>>(),
    })
}
