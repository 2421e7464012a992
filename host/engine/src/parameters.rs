//! Checks a step's configuration against the JSON schema that its plugin gives. The configuration is the
//! user's and the schema is the plugin's, so each is told apart in errors; and since anybody may have written
//! the plugin, a schema is bounded before it is used: in size, in what its references unfold to, and in the
//! engine that runs its patterns. Nothing that it refers to is fetched.

use std::collections::HashMap;

use jsonschema::{PatternOptions, ValidationError};
use serde_json::Value;

use crate::plugin::{ConfigProblem, ConfigureError};

/// Largest schema, in bytes of its text.
const SCHEMA_BYTES_MAX: usize = 256 << 10;
/// Most values in a schema with its references unfolded.
const SCHEMA_VALUES_MAX: usize = 50_000;
/// Most references that lead to one another.
const REFERENCES_DEEP_MAX: usize = 32;
/// Largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Most problems that are told at once.
const PROBLEMS_MAX: usize = 8;
/// Longest text of a problem, in characters: values stand in it.
const PROBLEM_LENGTH_MAX: usize = 300;

/// Checks `config` against `schema`, the text that the plugin `plugin` gave.
pub(crate) fn check(plugin: &str, schema: &str, config: &Value) -> Result<(), ConfigureError> {
    let broken = |reason: String| ConfigureError::BrokenSchema { plugin: plugin.to_owned(), reason };
    if schema.len() > SCHEMA_BYTES_MAX {
        return Err(broken(format!("it has {} bytes; at most {SCHEMA_BYTES_MAX} are read", schema.len())));
    }
    let schema: Value =
        serde_json::from_str(schema).map_err(|error| broken(format!("it is not JSON: {error}")))?;
    let mut unfolding = Unfolding { root: &schema, known: HashMap::new(), deep: 0 };
    if unfolding.values(&schema).map_err(broken)? > SCHEMA_VALUES_MAX {
        return Err(broken(format!("its references unfold to more than {SCHEMA_VALUES_MAX} values")));
    }
    // Patterns without backtracking take a time that grows with the text alone.
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
    let validator = jsonschema::options()
        .offline()
        .with_pattern_options(patterns)
        .build(&schema)
        .map_err(|error| broken(shortened(&format!("{}: {error}", path(&error)))))?;
    let problems: Vec<_> =
        validator.iter_errors(config).take(PROBLEMS_MAX).map(|error| problem(&error)).collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(ConfigureError::Parameters { plugin: plugin.to_owned(), problems })
}

fn problem(error: &ValidationError<'_>) -> ConfigProblem {
    ConfigProblem { path: path(error), message: shortened(&error.to_string()) }
}

/// `/limits/speed` as `limits.speed`.
fn path(error: &ValidationError<'_>) -> String {
    let pointer = error.instance_path().to_string();
    let segments = pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~"));
    segments.collect::<Vec<_>>().join(".")
}

fn shortened(text: &str) -> String {
    let text = text.replace('\n', " ");
    if text.chars().count() <= PROBLEM_LENGTH_MAX {
        return text;
    }
    text.chars().take(PROBLEM_LENGTH_MAX).chain("…".chars()).collect()
}

/// Counts the values of a schema as if every reference stood there as what it refers to.
struct Unfolding<'a> {
    root: &'a Value,
    /// By reference; none while it is being counted.
    known: HashMap<&'a str, Option<usize>>,
    /// References that are being counted.
    deep: usize,
}

impl<'a> Unfolding<'a> {
    fn values(&mut self, value: &'a Value) -> Result<usize, String> {
        let mut total = 1_usize;
        match value {
            Value::Array(items) => {
                for item in items {
                    total = total.saturating_add(self.values(item)?);
                }
            }
            Value::Object(members) => {
                for (key, member) in members {
                    total = total.saturating_add(self.member(key, member)?);
                }
            }
            _ => {}
        }
        Ok(total)
    }

    fn member(&mut self, key: &str, member: &'a Value) -> Result<usize, String> {
        match (key, member) {
            // Data, whatever it looks like.
            ("const" | "enum" | "default" | "examples", _) => Ok(1),
            ("$ref", Value::String(reference)) => self.referred(reference),
            ("$dynamicRef" | "$recursiveRef", Value::String(_)) => {
                Err(format!("it has a `{key}`; references are `$ref` to a place in the schema itself"))
            }
            ("$id" | "id", Value::String(_)) if !self.is_of_root(member) => {
                Err("a schema within it has an `$id` of its own".to_owned())
            }
            _ => self.values(member),
        }
    }

    fn is_of_root(&self, id: &Value) -> bool {
        self.root.as_object().is_some_and(|root| root.values().any(|member| std::ptr::eq(member, id)))
    }

    fn referred(&mut self, reference: &'a str) -> Result<usize, String> {
        match self.known.get(reference) {
            Some(Some(values)) => return Ok(*values),
            Some(None) => return Err(format!("its reference `{reference}` leads back to itself")),
            None => {}
        }
        let pointer =
            reference.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        let target = pointer.and_then(|pointer| self.root.pointer(pointer)).ok_or_else(|| {
            format!("its reference `{}` leads to no place in the schema itself", shortened(reference))
        })?;
        if self.deep == REFERENCES_DEEP_MAX {
            return Err(format!("more than {REFERENCES_DEEP_MAX} of its references lead to one another"));
        }
        self.known.insert(reference, None);
        self.deep += 1;
        let values = self.values(target)?;
        self.deep -= 1;
        self.known.insert(reference, Some(values));
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn message(schema: &Value, config: &Value) -> String {
        check("x", &schema.to_string(), config)
            .map_or_else(|error| error.to_string(), |()| "taken".to_owned())
    }

    #[test]
    fn problems_name_the_path_the_value_and_what_was_expected() {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["zone"],
            "properties": {
                "zone": { "type": "string", "pattern": "^[A-Z]" },
                "clock": { "enum": ["compatible", "reject"] },
                "limits": { "properties": { "speed": { "$ref": "#/$defs/speed" } } },
            },
            "$defs": { "speed": { "type": "number", "maximum": 300 } },
        });
        let check = |config: Value, words: &[&str]| {
            let message = message(&schema, &config);
            for word in words {
                assert!(message.contains(word), "{config}: `{word}` is not in: {message}");
            }
        };
        check(json!({ "zone": "Europe/London", "limits": { "speed": 70 } }), &["taken"]);
        check(json!({}), &["plugin `x`", "\"zone\" is a required property"]);
        check(json!({ "zone": 1 }), &["`zone`: 1 is not of type \"string\""]);
        check(json!({ "zone": "utc" }), &["`zone`: \"utc\" does not match \"^[A-Z]\""]);
        check(json!({ "zone": "A", "zoen": "B" }), &["'zoen' was unexpected"]);
        check(json!({ "zone": "A", "clock": "stop" }), &["`clock`: \"stop\" is not one of", "compatible"]);
        check(
            json!({ "zone": 1, "limits": { "speed": 301 } }),
            &["`zone`: 1 is not", "`limits.speed`: 301 is greater than the maximum of 300"],
        );
        let long = message(&schema, &json!({ "zone": "x".repeat(10_000) }));
        assert!(long.len() < 1000, "{long}");
    }

    #[test]
    fn a_broken_schema_is_the_plugins_fault() {
        let check = |schema: &str, expected: &str| {
            let message = check("x", schema, &json!({})).unwrap_err().to_string();
            assert!(message.contains("the plugin's fault"), "{message}");
            assert!(message.contains(expected), "`{expected}` is not in: {message}");
        };
        check("{", "it is not JSON");
        check(r#"{"type":"objekt"}"#, "objekt");
        check(r#"{"properties":7}"#, "7");
        check(r#"{"pattern":"("}"#, "(");
        check(r#"{"$ref":"https://example.com/schema"}"#, "leads to no place in the schema itself");
        check(r#"{"$ref":"file:///etc/passwd"}"#, "leads to no place in the schema itself");
        check(r##"{"$ref":"#/absent"}"##, "leads to no place in the schema itself");
        check(r##"{"$ref":"#"}"##, "leads back to itself");
        check(r##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}"##, "leads back to itself");
        check(r##"{"$dynamicRef":"#a"}"##, "`$dynamicRef`");
        check(r#"{"properties":{"a":{"$id":"https://example.com/a"}}}"#, "an `$id` of its own");
        check(r#"{"$schema":"https://example.com/meta"}"#, "example.com");
        check(&format!("[{}0]", "0,".repeat(200_000)), "at most 262144 are read");
        check(&"[".repeat(1000), "it is not JSON");
    }

    /// Each of 30 definitions refers to the next twice: 2^30 values.
    #[test]
    fn references_cannot_unfold_without_bound() {
        let next = |number: usize| json!({ "$ref": format!("#/$defs/{}", number + 1) });
        let mut definitions: serde_json::Map<String, Value> = (0..30)
            .map(|number| (number.to_string(), json!({ "allOf": [next(number), next(number)] })))
            .collect();
        definitions.insert("30".to_owned(), json!({ "type": "string" }));
        let message = message(&json!({ "$ref": "#/$defs/0", "$defs": definitions }), &json!({}));
        assert!(message.contains("unfold to more than 50000 values"), "{message}");
        let chain: String =
            (0..10_000).map(|number| format!(r##""{number}":{{"$ref":"#/{}"}},"##, number + 1)).collect();
        let error = check("x", &format!(r##"{{{chain}"$ref":"#/0"}}"##), &json!({})).unwrap_err();
        assert!(error.to_string().contains("more than 32 of its references"), "{error}");
    }
}
