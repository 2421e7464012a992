//! From a configuration as text and the input's schema to a transform and its plan. Every problem is
//! found in one go and named by key or column.

use crate::plan::{ConfigProblem, Field, Input, InputPlan, Plan};
use crate::transform::{Outcome, Row, Transform};

/// Configures `T` for its one input.
///
/// # Errors
/// Problems of the configuration, by the path of the key; problems of the input's schema, by
/// `inputs.NAME.COLUMN`.
pub fn configure<T: Transform>(config: &str, inputs: &[Input]) -> Result<(T, Plan), Vec<ConfigProblem>> {
    let mut problems = Vec::new();
    match inputs {
        [input] => problems.extend(schema_problems(input, &T::Row::reads())),
        _ => problems.push(problem("inputs", format!("this plugin takes one input, not {}", inputs.len()))),
    }
    match parse(config).and_then(T::configure) {
        Ok(transform) if problems.is_empty() => Ok((transform, plan::<T>())),
        Ok(_) => Err(problems),
        Err(found) => Err(found.into_iter().chain(problems).collect()),
    }
}

/// The plan of a transform.
pub fn plan<T: Transform>() -> Plan {
    let input = InputPlan {
        reads: T::Row::reads(),
        writes: T::Row::writes(),
        drops: Vec::new(),
        key: None,
        row_preserving: T::Outcome::PRESERVES_ROWS,
    };
    Plan { inputs: vec![input], outputs: vec![], stores: vec![], tables: vec![], hints: vec![] }
}

fn parse<C: serde::de::DeserializeOwned>(config: &str) -> Result<C, Vec<ConfigProblem>> {
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let mut json = serde_json::Deserializer::from_str(config);
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    let parsed = serde_ignored::deserialize(tracked, |path| {
        unknown.push(problem(&path.to_string(), "unknown key".to_owned()));
    });
    match parsed.and_then(|config| json.end().map(|()| config)) {
        Ok(config) if unknown.is_empty() => Ok(config),
        Ok(_) => Err(unknown),
        Err(error) => {
            unknown.push(problem(&track.path().to_string(), error.to_string()));
            Err(unknown)
        }
    }
}

fn schema_problems(input: &Input, reads: &[Field]) -> Vec<ConfigProblem> {
    let declared = reads.iter().filter(|read| !read.name.starts_with('_'));
    declared
        .filter_map(|read| {
            let message = match input.fields.iter().find(|field| field.name == read.name) {
                None => format!("the input has no column `{}`; it has {}", read.name, names(&input.fields)),
                Some(field) if field.nullable && !read.nullable => format!(
                    "column `{}` may be null, but this plugin needs a value: declare it as required",
                    read.name
                ),
                Some(_) => return None,
            };
            Some(problem(&format!("inputs.{}.{}", input.name, read.name), message))
        })
        .collect()
}

fn names(fields: &[Field]) -> String {
    let names: Vec<_> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn problem(path: &str, message: String) -> ConfigProblem {
    ConfigProblem { path: path.to_owned(), message }
}
