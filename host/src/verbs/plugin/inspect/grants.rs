//! What a plugin must be granted, as lines for the file beside it. What it asks for comes from the engine, which
//! names everything that is not granted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use millstream_engine::{ConfigureError, Grants, HttpGrant, Origin, PlanProblem, Scheme};
use serde::Serialize;

/// Grants by their keys: `grants.read` and the columns it must list.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Needed(BTreeMap<&'static str, BTreeSet<String>>);

/// Key of the grants of servers, which only people know.
const HTTP: &str = "grants.http";

impl Needed {
    /// What `problem` says is not granted.
    pub(super) fn of(problem: &PlanProblem) -> Self {
        let mut needed = Self::default();
        if let PlanProblem::NotGranted { missing } = problem {
            for missing in missing {
                needed.0.entry(missing.grant).or_default().insert(missing.name.clone());
            }
        }
        needed
    }

    /// True if a plugin was refused for what it is not granted.
    pub(super) fn is_lacking(error: &ConfigureError) -> bool {
        matches!(error, ConfigureError::Plan { problem: PlanProblem::NotGranted { .. }, .. })
    }

    /// What grants all of it, and every column.
    pub(super) fn granted(&self) -> Grants {
        let names = |key| self.0.get(key).cloned().unwrap_or_default();
        // Nobody is asked while a plugin is configured.
        let nowhere = Origin { scheme: Scheme::Https, host: "host.invalid".to_owned(), port: 443 };
        let http = self.0.contains_key(HTTP).then(|| (nowhere, HttpGrant::default()));
        Grants {
            stores: names("grants.stores"),
            tables: names("grants.tables"),
            http: http.into_iter().collect(),
            ..Grants::default()
        }
    }

    /// True if it needs nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lines to put into the file beside the plugin.
    pub(super) fn toml(&self) -> String {
        let mut text = "[grants]\n".to_owned();
        for (key, names) in self.0.iter().filter(|(key, _)| **key != HTTP) {
            let names: Vec<_> =
                names.iter().map(|name| toml::Value::from(name.as_str()).to_string()).collect();
            let key = key.trim_start_matches("grants.");
            writeln!(text, "{key} = [{}]", names.join(", ")).expect("a string takes any text");
        }
        if self.0.contains_key(HTTP) {
            text += "\n# one for each server that it may send requests to\n[grants.http.\"HOST\"]\nmethods = [\"GET\"]\n";
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::Missing;

    use super::*;

    #[test]
    fn what_is_missing_becomes_lines_that_grant_it() {
        let missing =
            |grant, name: &str| Missing { does: "", name: name.to_owned(), grant, file: String::new() };
        let missing = vec![
            missing("grants.write", "speed"),
            missing("grants.read", "a \"quoted\" name"),
            missing("grants.write", "make"),
            missing("grants.http", "http"),
        ];
        let text = Needed::of(&PlanProblem::NotGranted { missing }).toml();
        let expected = "[grants]\nread = ['a \"quoted\" name']\nwrite = [\"make\", \"speed\"]\n\n\
                        # one for each server that it may send requests to\n[grants.http.\"HOST\"]\nmethods = [\"GET\"]\n";
        assert_eq!(text, expected);
        text.parse::<toml::Table>().unwrap();
    }
}
