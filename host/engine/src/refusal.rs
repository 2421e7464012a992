//! A plugin's own objections, told apart: what is wrong with its configuration, and what is wrong with the streams it is
//! to run on. SDKs name the latter `inputs.<stream>.<column>`; it is no fault of the configuration's text.

use crate::bindings::guest;
use crate::plan::InputSpec;
use crate::plugin::{ConfigProblem, ConfigureError};

/// Why a plugin refused: its plan does not fit a stream if that is all it says.
pub(crate) fn refused(
    plugin: &str,
    inputs: &[InputSpec],
    problems: Vec<guest::ConfigProblem>,
) -> ConfigureError {
    let plugin = plugin.to_owned();
    let of_streams: Vec<Option<&str>> =
        problems.iter().map(|problem| stream(&problem.path, inputs)).collect();
    let problems = problems.into_iter();
    match of_streams.first().copied().flatten() {
        Some(first) if of_streams.iter().all(Option::is_some) => {
            let of_stream = |(problem, stream): (guest::ConfigProblem, &Option<&str>)| match stream {
                Some(other) if *other != first => format!("stream `{other}`: {}", problem.message),
                _ => problem.message,
            };
            let input = first.to_owned();
            ConfigureError::Unfit {
                plugin,
                input,
                problems: problems.zip(&of_streams).map(of_stream).collect(),
            }
        }
        _ => {
            let problem = |problem: guest::ConfigProblem| ConfigProblem {
                path: problem.path,
                message: problem.message,
            };
            ConfigureError::Refused { plugin, problems: problems.map(problem).collect() }
        }
    }
}

/// The stream whose column a path names.
fn stream<'a>(path: &str, inputs: &'a [InputSpec]) -> Option<&'a str> {
    let rest = path.strip_prefix("inputs.")?;
    let names = inputs.iter().map(|input| input.name.as_str());
    names
        .filter(|name| rest.strip_prefix(name).is_some_and(|column| column.starts_with('.')))
        .max_by_key(|name| name.len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;

    use super::*;

    #[test]
    fn streams_and_configurations_are_told_apart() {
        let check = |paths: &[&str], expected: &str| {
            let inputs = ["a", "a.b"].map(|name| InputSpec::new(name, Arc::new(Schema::empty())));
            let problem =
                |path: &&str| guest::ConfigProblem { path: (*path).to_owned(), message: "no".to_owned() };
            let message = refused("p", &inputs, paths.iter().map(problem).collect()).to_string();
            assert_eq!(message, expected);
        };
        let unfit = |stream: &str, problems: &str| {
            format!(
                "plugin `p` cannot run on stream `{stream}`: its plan does not fit the stream: {problems}; correct the \
                 stream's columns, or the configuration that names them"
            )
        };
        check(&["inputs.a.x"], &unfit("a", "no"));
        check(&["inputs.a.x", "inputs.a.b.x"], &unfit("a", "no; stream `a.b`: no"));
        check(&["inputs.a.x", "zone"], "plugin `p` refuses its configuration: `inputs.a.x`: no; `zone`: no");
        check(&["inputs.c.x"], "plugin `p` refuses its configuration: `inputs.c.x`: no");
        check(&["inputs"], "plugin `p` refuses its configuration: `inputs`: no");
        check(&[], "plugin `p` refuses its configuration: ");
    }
}
