//! An inspection for people.

use std::fmt::Write as _;

use super::Inspection;
use super::plan::{Column, Found, Plan};
use crate::units::{bytes, millis};

/// All of it.
pub(super) fn text(found: &Inspection) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| row(&mut text, name, value);
    line("plugin", &format!("{} {}", found.name, found.version));
    if found.name != found.plugin {
        line("", &format!("steps call it `{}`, after its file", found.plugin));
    }
    line("file", &found.file);
    line("digest", &found.digest.to_string());
    let form =
        if found.is_component { "a component" } else { "a core module; the host makes a component of it" };
    line("size", &format!("{}, {form}", bytes(found.size_bytes as u64)));
    line("language", &format!("{}{}", found.language.unwrap_or("unknown"), made_with(&found.tools)));
    let abi = found.abi.as_deref().unwrap_or("of unknown version");
    line("interface", &format!("millstream:plugin {abi}, world {}", found.world));
    line("imports", &interfaces(&found.imports));
    line("exports", &interfaces(&found.exports));
    line(
        "memory",
        &format!("{} at start ({} pages of 64 KiB)", bytes(found.memory_bytes), found.memory_pages),
    );
    line(
        "lines",
        match found.has_lines {
            true => "known: failures name file and line",
            false => "not known: failures name functions at best",
        },
    );
    let how = if found.was_compiled { "from the cache of compiled plugins" } else { "compiled" };
    line("loaded", &format!("in {}, {how}", millis(found.load_ms as u64)));
    line("signature", &found.signature.words());
    match &found.config_schema {
        Some(schema) => line("parameters", &indented(&format!("{schema:#}"))),
        None => line("parameters", "it gives no schema for them"),
    }
    line("example", &found.example_config.to_string());
    match &found.plan {
        Some(plan) => text + &plan_text(plan),
        None => {
            text + "\nno plan: a plugin plans for a stream; name one of the configuration by --stream, or write a case beside it\n"
        }
    }
}

fn row(text: &mut String, name: &str, value: &str) {
    writeln!(text, "{name:<11} {value}").expect("a string takes any text");
}

fn indented(text: &str) -> String {
    text.replace('\n', "\n            ")
}

fn made_with(tools: &[String]) -> String {
    if tools.is_empty() { String::new() } else { format!(" ({})", tools.join(", ")) }
}

/// Interfaces of this project by their names alone.
fn interfaces(names: &[String]) -> String {
    let short =
        |name: &String| match name.strip_prefix("millstream:plugin/").and_then(|rest| rest.split_once('@')) {
            Some((interface, _)) => interface.to_owned(),
            None => name.clone(),
        };
    let names: Vec<_> = names.iter().map(short).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn plan_text(found: &Found) -> String {
    let mut text = format!("\nplan on {}, with the configuration {}\n", found.place, found.config);
    if let Some(plan) = &found.plan {
        text += &effects(plan);
    }
    if let Some(problem) = &found.problem {
        row(&mut text, "  problem", problem);
    }
    let file = &found.grants_file;
    if found.grants_needed.is_empty() {
        return text + "\nit needs no grants\n";
    }
    let state = match found.is_granted {
        true => "what is granted now is enough",
        false => "what is granted now is not enough",
    };
    text + &format!("\ngrants it needs, as lines of {file} ({state}):\n\n{}", found.grants_needed.toml())
}

fn effects(plan: &Plan) -> String {
    let mut text = String::new();
    row(&mut text, "  reads", &columns(&plan.reads));
    row(&mut text, "  writes", &columns(&plan.writes));
    let drops = plan.drops.join(", ");
    row(&mut text, "  drops", if drops.is_empty() { "nothing" } else { &drops });
    row(
        &mut text,
        "  rows",
        match (plan.row_preserving, plan.fans_out) {
            (true, _) => "passes every row on",
            (false, true) => "may drop and reject rows, and make several of one",
            (false, false) => "may drop and reject rows",
        },
    );
    if !plan.key.is_empty() {
        row(&mut text, "  key", &plan.key.join(", "));
    }
    for store in &plan.stores {
        let ttl =
            store.ttl_seconds.map_or("until it is removed".to_owned(), |seconds| format!("for {seconds} s"));
        row(&mut text, "  store", &format!("{}, version {}, kept {ttl}", store.name, store.version));
    }
    for output in &plan.outputs {
        row(&mut text, "  output", &format!("{}: {}", output.name, columns(&output.columns)));
    }
    text
}

fn columns(columns: &[Column]) -> String {
    let words = columns.iter().map(|column| {
        let null = if column.nullable { "" } else { " not null" };
        format!("{} {}{null}", column.name, column.r#type)
    });
    let words: Vec<_> = words.collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}
