//! `millstream validate`: everything that can be checked without a broker and a lake.

use millstream_engine::{Engine, EngineSettings};
use millstream_pipeline::plan::StreamPlan;
use millstream_pipeline::start;
use serde_json::json;

use crate::args;

/// Checks, and prints what would run.
pub fn validate(args: &args::Validate) -> anyhow::Result<()> {
    let config = super::read_config(&args.config)?;
    let engine =
        Engine::new(EngineSettings { cache_dir: config.cache_dir.clone(), ..EngineSettings::default() })?;
    let plans = start::plan(&config, &engine)?;
    for plan in &plans {
        if args.json {
            println!("{}", json(plan));
        } else {
            print_plan(plan);
        }
    }
    if !args.json {
        println!("{} is valid", args.config.config.display());
    }
    Ok(())
}

fn print_plan(plan: &StreamPlan) {
    println!("stream {} from topic {}", plan.name, plan.topic);
    for step in &plan.steps {
        let plugin = step.step.plugin();
        println!(
            "  step {}: {} {} ({})",
            step.name,
            plugin.about().name,
            plugin.about().version,
            plugin.digest().short()
        );
    }
    for (name, table) in plan.tables() {
        println!("  table {name}, by day of {}", table.event_time);
        for field in table.schema.fields() {
            let null = if field.is_nullable() { "" } else { " not null" };
            println!("    {}: {}{null}", field.name(), field.data_type());
        }
    }
}

fn json(plan: &StreamPlan) -> serde_json::Value {
    let steps = plan.steps.iter().map(|step| {
        let plugin = step.step.plugin();
        json!({ "step": *step.name, "plugin": plugin.about().name, "version": plugin.about().version, "digest": plugin.digest() })
    });
    let tables = plan.tables().into_iter().map(|(name, table)| {
        let columns = table.schema.fields().iter().map(|field| {
            json!({ "name": field.name(), "type": field.data_type().to_string(), "nullable": field.is_nullable() })
        });
        json!({ "table": name, "event_time": table.event_time, "columns": columns.collect::<Vec<_>>() })
    });
    json!({
        "stream": *plan.name,
        "topic": *plan.topic,
        "steps": steps.collect::<Vec<_>>(),
        "tables": tables.collect::<Vec<_>>(),
    })
}
