//! Which keys of a stream differ between two checked configurations, for the log: what a file says in other words
//! is no edit, and what stands beside a plugin is one of the steps that run it. Steps go by their names.

use millstream_engine::Limits;

use super::{StepConfig, StreamConfig};

/// Keys of a stream that `after` has otherwise than `before`, as `streams.vehicle.steps.cleanse.limits.memory`, of
/// those that can be changed while it runs. A step or column that only one has is named as a whole.
pub fn edited_keys(before: &StreamConfig, after: &StreamConfig) -> Vec<String> {
    let mut keys = steps(before, after);
    if before.routes != after.routes {
        keys.push("routes".to_owned());
    }
    let columns = |stream: &StreamConfig| stream.schema.columns.clone();
    let (old, new) = (columns(before), columns(after));
    let is_edited = |name: &&String| {
        let find = |columns: &[millstream_model::schema::ColumnSpec]| {
            columns.iter().find(|column| column.name == **name).cloned()
        };
        find(&old) != find(&new)
    };
    let mut names: Vec<_> = old.iter().chain(&new).map(|column| &column.name).filter(is_edited).collect();
    names.sort();
    names.dedup();
    // The same columns in another order.
    if names.is_empty() && old != new {
        keys.push("schema".to_owned());
    }
    keys.extend(names.into_iter().map(|name| format!("schema.{name}")));
    if before.schema.unknown != after.schema.unknown {
        keys.push("unknown_fields".to_owned());
    }
    keys.into_iter().map(|key| format!("streams.{}.{key}", before.name)).collect()
}

fn steps(before: &StreamConfig, after: &StreamConfig) -> Vec<String> {
    let find =
        |stream: &StreamConfig, name: &str| stream.steps.iter().find(|step| step.name == name).cloned();
    let mut keys = Vec::new();
    for old in &before.steps {
        match find(after, &old.name) {
            Some(new) => keys.extend(step(old, &new).iter().map(|key| format!("steps.{}.{key}", old.name))),
            None => keys.push(format!("steps.{}", old.name)),
        }
    }
    let come = after.steps.iter().filter(|new| find(before, &new.name).is_none());
    keys.extend(come.map(|new| format!("steps.{}", new.name)));
    let order = |stream: &StreamConfig, other: &StreamConfig| -> Vec<String> {
        let both = stream.steps.iter().filter(|step| find(other, &step.name).is_some());
        both.map(|step| step.name.clone()).collect()
    };
    if order(before, after) != order(after, before) {
        keys.push("steps".to_owned());
    }
    keys
}

fn step(before: &StepConfig, after: &StepConfig) -> Vec<String> {
    let fields = [
        ("plugin", before.plugin != after.plugin),
        ("config", before.config != after.config),
        ("outputs", before.outputs != after.outputs),
        ("grants", before.grants != after.grants),
        ("on_drop_in", before.on_drop_in != after.on_drop_in),
        ("shadow", before.shadow != after.shadow),
        ("on_circuit", before.circuit.on_open != after.circuit.on_open),
        ("error_budget", before.circuit.budget != after.circuit.budget),
    ];
    let fields = fields.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned());
    fields.chain(limits(&before.limits, &after.limits)).collect()
}

fn limits(before: &Limits, after: &Limits) -> Vec<String> {
    let limits = [
        ("deadline", before.deadline != after.deadline),
        ("memory", before.memory_bytes != after.memory_bytes),
        ("stack", before.stack_bytes != after.stack_bytes),
        ("output", before.output_bytes != after.output_bytes),
        ("host_calls", before.host_calls != after.host_calls),
        ("log_lines", before.log_lines_per_second != after.log_lines_per_second),
        ("log_bytes", before.log_bytes_per_second != after.log_bytes_per_second),
    ];
    limits.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| format!("limits.{key}")).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    const BEFORE: &str = "[lake]\nurl = \"lake\"\n[source.files]\ndir = \".\"\n[streams.v]\ntopic = \"v\"\n\
        [streams.v.schema]\na = \"int64\"\nb = \"string\"\n\
        [[streams.v.steps]]\nname = \"one\"\nplugin = \"p\"\nconfig = { x = 1 }\n\
        [[streams.v.steps]]\nname = \"two\"\nplugin = \"q\"\n";

    fn read(folder: &Path, text: &str) -> StreamConfig {
        let file = folder.join("millstream.toml");
        std::fs::write(&file, text).unwrap();
        Config::read(&file, []).unwrap().streams.remove(0)
    }

    #[test]
    fn what_is_edited_is_named_by_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let before = read(folder.path(), BEFORE);
        let check = |from: &str, to: &str, expected: &[&str]| {
            assert!(BEFORE.contains(from), "nothing to change: `{from}`");
            let after = read(folder.path(), &BEFORE.replacen(from, to, 1));
            assert_eq!(edited_keys(&before, &after), expected, "{to}");
        };
        check("x = 1", "x=1", &[]);
        check("x = 1", "x = 2", &["streams.v.steps.one.config"]);
        let limited = "\"q\"\nlimits = { memory = \"128MiB\", deadline = \"2s\" }";
        check(
            "\"q\"",
            limited,
            &["streams.v.steps.two.limits.deadline", "streams.v.steps.two.limits.memory"],
        );
        check("\"q\"", "\"q\"\non_drop_in = \"hold\"", &["streams.v.steps.two.on_drop_in"]);
        check("name = \"two\"\n", "", &["streams.v.steps.two", "streams.v.steps.q"]);
        check(
            "a = \"int64\"",
            "a = \"float64\"\nc = \"date\"",
            &["streams.v.schema.a", "streams.v.schema.c"],
        );
        check("b = \"string\"\n", "", &["streams.v.schema.b"]);
        check("\"v\"\n", "\"v\"\nunknown_fields = \"keep\"\n", &["streams.v.unknown_fields"]);
        check(
            "[[streams.v.steps]]\nname = \"one\"",
            "[[streams.v.routes]]\ntable = \"t\"\n[[streams.v.steps]]\nname = \"one\"",
            &["streams.v.routes"],
        );
        let mut turned = before.clone();
        turned.steps.reverse();
        assert_eq!(edited_keys(&before, &turned), ["streams.v.steps"]);
    }
}
