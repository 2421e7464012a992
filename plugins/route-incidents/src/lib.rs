//! Sends incidents to tables of their own, by rules: each rule names an output and says which `type`, `status` and
//! words of `description` it is for. An incident goes to the output of every rule that it fits, with all its
//! columns and the number of the rule in `rule`; whether it also stays in the stream is configured.
//!
//! The step names a table for each output: `outputs = { fires = "curated.fires" }`. For conditions alone,
//! `[[streams.X.routes]]` need no plugin; this one is for what they cannot say.

use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Output, Outputs, Record, Row, Transform, Verdict};
use serde::Deserialize;

/// The configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    rules: Vec<Rule>,
    /// Incidents that fit a rule leave the stream.
    #[serde(default)]
    drop_routed: bool,
}

/// A rule. What is left out fits every incident.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    output: String,
    #[serde(default, rename = "type")]
    kinds: Vec<String>,
    #[serde(default)]
    status: Vec<String>,
    /// Any of these, in small or capital letters.
    #[serde(default)]
    words: Vec<String>,
}

/// The columns of an incident that rules look at.
#[derive(Row)]
pub struct Incident<'a> {
    #[row(name = "type")]
    kind: Option<&'a str>,
    status: Option<&'a str>,
    #[row(optional)]
    description: Option<&'a str>,
}

/// What a routed incident has besides its own columns.
#[derive(Record)]
pub struct Routed {
    rule: i32,
}

/// The plugin.
pub struct RouteIncidents {
    rules: Vec<Rule>,
    drop_routed: bool,
    /// The outputs' names and rows; several rules may share one.
    outputs: Vec<(String, Output<Routed>)>,
}

impl Transform for RouteIncidents {
    type Config = Config;
    type Row = Incident<'static>;
    type Outcome = Verdict;

    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        config_schema: Some(include_str!("../config.schema.json")),
        example_config: include_str!("../config.example.json"),
    };

    fn configure(Config { mut rules, drop_routed }: Config) -> Result<Self, Vec<ConfigProblem>> {
        let mut outputs: Vec<(String, Output<Routed>)> = Vec::new();
        for rule in &mut rules {
            rule.words.iter_mut().for_each(|word| *word = word.to_lowercase());
            if outputs.iter().all(|(name, _)| *name != rule.output) {
                outputs.push((rule.output.clone(), Output::named(&rule.output).inheriting_all()));
            }
        }
        Ok(Self { rules, drop_routed, outputs })
    }

    fn outputs(&mut self) -> Outputs<'_> {
        self.outputs.iter_mut().map(|(_, output)| output).collect()
    }

    fn process(&mut self, incident: &mut Incident<'_>) -> Verdict {
        let mut routed = false;
        for (rule, number) in self.rules.iter().zip(1..).filter(|(rule, _)| rule.fits(incident)) {
            routed = true;
            let output = self.outputs.iter_mut().find(|(name, _)| *name == rule.output);
            output.into_iter().for_each(|(_, output)| output.emit(Routed { rule: number }));
        }
        if routed && self.drop_routed { Verdict::Drop } else { Verdict::Keep }
    }
}

millstream_sdk::export!(RouteIncidents);

impl Rule {
    fn fits(&self, incident: &Incident<'_>) -> bool {
        let among = |allowed: &[String], value: Option<&str>| {
            allowed.is_empty() || value.is_some_and(|value| allowed.iter().any(|one| one == value))
        };
        let says = |text: &str| {
            let text = text.to_lowercase();
            self.words.iter().any(|word| text.contains(word.as_str()))
        };
        among(&self.kinds, incident.kind)
            && among(&self.status, incident.status)
            && (self.words.is_empty() || incident.description.is_some_and(says))
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::testing::{Processed, Values, run};

    use super::*;

    fn routed(drop_routed: bool) -> Processed {
        let config = format!(
            r#"{{"drop_routed": {drop_routed}, "rules": [
                {{"output": "fires", "type": ["Fire", "Explosion"]}},
                {{"output": "urgent", "status": ["Active"], "words": ["Trapped", "unconscious"]}},
                {{"output": "fires", "words": ["smoke"]}}
            ]}}"#
        );
        let incidents = [
            ("type", Values::of([Some("Fire"), Some("Accident"), Some("Fire"), None])),
            ("status", Values::of([Some("Active"), Some("Active"), Some("Resolved"), Some("Active")])),
            (
                "description",
                Values::of([Some("Two TRAPPED, smoke"), Some("none hurt"), None, Some("unconscious")]),
            ),
        ];
        run::<RouteIncidents, _>(&config, &incidents).unwrap()
    }

    #[test]
    fn incidents_go_where_rules_say() {
        let outcome = routed(false);
        assert_eq!(outcome.emitted["fires"].parents, [0, 0, 2]);
        assert_eq!(outcome.emitted["fires"].written["rule"], Values::of([1, 3, 1]));
        assert_eq!(outcome.emitted["urgent"].parents, [0, 3]);
        assert_eq!(outcome.kept, [0, 1, 2, 3]);
        assert_eq!(routed(true).kept, [1]);
    }
}
