//! From a configuration as text and the input's schema to a transform and its plan. Every problem is
//! found in one go and named by key or column.

use crate::plan::{ConfigProblem, Field, Input, InputPlan, Places, Plan, Read};
use crate::transform::{Outcome, Row, Transform};

/// A transform that is ready for a stream.
pub struct Configured<T> {
    /// The transform.
    pub transform: T,
    /// Where its row finds its columns.
    pub places: Places,
    /// What the host is told.
    pub plan: Plan,
}

/// Configures `T` for its one input.
///
/// # Errors
/// Problems of the configuration, by the path of the key; problems of the input's schema, by
/// `inputs.NAME.COLUMN`.
pub fn configure<T: Transform>(config: &str, inputs: &[Input]) -> Result<Configured<T>, Vec<ConfigProblem>> {
    let reads = T::Row::reads();
    let mut problems = Vec::new();
    let mut fields: &[Field] = &[];
    match inputs {
        [input] => {
            fields = &input.fields;
            problems.extend(schema_problems(input, &reads));
        }
        _ => problems.push(problem("inputs", format!("this plugin takes one input, not {}", inputs.len()))),
    }
    match parse(config).and_then(T::configure) {
        Ok(transform) if problems.is_empty() => {
            let places = Places::new(&reads, |name| has(fields, name));
            Ok(Configured { transform, places, plan: plan::<T>(fields) })
        }
        Ok(_) => Err(problems),
        Err(found) => Err(found.into_iter().chain(problems).collect()),
    }
}

fn has(fields: &[Field], name: &str) -> bool {
    fields.iter().any(|field| field.name == name)
}

/// The plan of a transform for a stream with the columns `fields`.
pub fn plan<T: Transform>(fields: &[Field]) -> Plan {
    let mut reads = T::Row::reads();
    reads.retain(|read| read.is_planned(|name| has(fields, name)));
    let drops = reads.iter().filter(|read| read.dropped).map(|read| read.field.name.clone()).collect();
    let input = InputPlan {
        reads: reads.into_iter().map(|read| read.field).collect(),
        writes: T::Row::writes(),
        drops,
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

fn schema_problems(input: &Input, reads: &[Read]) -> Vec<ConfigProblem> {
    let declared = reads.iter().filter(|read| !read.field.name.starts_with('_'));
    declared
        .filter_map(|Read { field: read, optional, .. }| {
            let message = match input.fields.iter().find(|field| field.name == read.name) {
                None if *optional => return None,
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
