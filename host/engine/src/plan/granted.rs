//! Holds a plan against the grants, and against what the version that runs now may do. Pure: names in, what
//! is missing or new out; the stream's schema is not looked at.

use std::collections::BTreeSet;
use std::fmt;

use millstream_model::columns;

use super::PlanProblem;
use crate::bindings::guest;
use crate::bindings::types::Field;
use crate::grants::{Grants, HttpGrant, Origin};

/// Columns that tell where and when a row came from: every plugin may read them. The key, and the fields
/// that no schema declares, may hold anything, so they are granted like declared columns.
const READABLE: [&str; 6] = [
    columns::TOPIC,
    columns::PARTITION,
    columns::OFFSET,
    columns::TIMESTAMP,
    columns::EVENT_TIME,
    columns::LATE,
];

/// Key of the grants of servers.
const HTTP: &str = "grants.http";

/// Something a plugin would do that its grants do not give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What it would do: `reads column`, `imports`.
    pub does: &'static str,
    /// What it would do that to.
    pub name: String,
    /// Key of the grant.
    pub grant: &'static str,
    /// File that the grant would stand in.
    pub file: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { does, name, grant, file } = self;
        write!(f, "it {does} `{name}`, which is not granted: add ")?;
        match *grant {
            HTTP => write!(f, "[{HTTP}.\"HOST\"] for each server that it may send requests to, in {file}"),
            grant => write!(f, "`{name}` to {grant} in {file}"),
        }
    }
}

/// What a plugin may do: its plan, its imports and its grants.
#[derive(Clone, Copy)]
pub(crate) struct Reach<'a> {
    pub(crate) plan: &'a guest::Plan,
    pub(crate) imports_http: bool,
    pub(crate) grants: &'a Grants,
}

/// What a plan does, by name.
#[derive(Default)]
struct Effects<'a> {
    reads: BTreeSet<&'a str>,
    writes: BTreeSet<&'a str>,
    drops: BTreeSet<&'a str>,
    outputs: BTreeSet<&'a str>,
    emits: BTreeSet<(&'a str, &'a str)>,
    stores: BTreeSet<&'a str>,
    tables: BTreeSet<&'a str>,
    looked_up: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Effects<'a> {
    fn of(plan: &'a guest::Plan) -> Self {
        let mut effects = Self::default();
        for input in &plan.inputs {
            effects.reads.extend(names(&input.reads));
            // State is kept under the values of these.
            effects.reads.extend(input.key.iter().flatten().map(String::as_str));
            effects.writes.extend(names(&input.writes));
            effects.drops.extend(input.drops.iter().map(String::as_str));
        }
        effects.reads.retain(|column| !READABLE.contains(column));
        for output in &plan.outputs {
            effects.outputs.insert(&output.name);
            effects.emits.extend(names(&output.fields).map(|column| (output.name.as_str(), column)));
        }
        effects.stores.extend(plan.stores.iter().map(|store| store.name.as_str()));
        for table in &plan.tables {
            effects.tables.insert(&table.name);
            let columns = table.columns.iter().map(|column| (table.name.as_str(), column.as_str()));
            effects.looked_up.extend(columns);
        }
        effects
    }
}

fn names(fields: &[Field]) -> impl Iterator<Item = &str> {
    fields.iter().map(|field| field.name.as_str())
}

/// Checks that the plugin `plugin` does nothing that its grants do not give.
pub(crate) fn check(plugin: &str, reach: Reach<'_>) -> Result<(), PlanProblem> {
    let Reach { plan, imports_http, grants } = reach;
    let effects = Effects::of(plan);
    let emits = effects.emits.iter().map(|(_, column)| *column).collect();
    let none = BTreeSet::new();
    // Columns without a list are as planned, unless a list is demanded.
    let (read, write) = (grants.read.as_ref(), grants.write.as_ref());
    let (read, write) = match grants.strict {
        true => (read.or(Some(&none)), write.or(Some(&none))),
        false => (read, write),
    };
    let http = if imports_http { BTreeSet::from(["http"]) } else { BTreeSet::new() };
    let http_granted = if grants.http.is_empty() { Some(&none) } else { None };
    let bounds: [(&'static str, &'static str, &BTreeSet<&str>, Option<&BTreeSet<String>>); 7] = [
        ("reads column", "grants.read", &effects.reads, read),
        ("writes column", "grants.write", &effects.writes, write),
        ("drops column", "grants.write", &effects.drops, write),
        ("emits column", "grants.write", &emits, write),
        ("keeps state in store", "grants.stores", &effects.stores, Some(&grants.stores)),
        ("uses lookup table", "grants.tables", &effects.tables, Some(&grants.tables)),
        ("imports", HTTP, &http, http_granted),
    ];
    let beside = || format!("plugins/{plugin}.toml");
    let file = if grants.file.is_empty() { beside() } else { grants.file.clone() };
    let mut missing = Vec::new();
    for (does, grant, names, granted) in bounds {
        let beyond = names.iter().filter(|name| granted.is_some_and(|list| !list.contains(**name)));
        missing.extend(beyond.map(|name| Missing {
            does,
            name: (*name).to_owned(),
            grant,
            file: file.clone(),
        }));
    }
    if missing.is_empty() { Ok(()) } else { Err(PlanProblem::NotGranted { missing }) }
}

/// What `new` may do that `running` may not, in words for the person who approves it; empty if nothing.
pub(crate) fn widened(new: Reach<'_>, running: Reach<'_>) -> Vec<String> {
    let (own, over) = (Effects::of(new.plan), Effects::of(running.plan));
    let mut texts = Vec::new();
    let mut added = |what: &str, own: &BTreeSet<&str>, over: &BTreeSet<&str>| {
        texts.extend(own.difference(over).map(|name| format!("newly {what} `{name}`")));
    };
    added("reads column", &own.reads, &over.reads);
    added("writes column", &own.writes, &over.writes);
    added("drops column", &own.drops, &over.drops);
    added("declares output", &own.outputs, &over.outputs);
    added("keeps state in store", &own.stores, &over.stores);
    added("uses lookup table", &own.tables, &over.tables);
    let emitted = own.emits.difference(&over.emits).filter(|(output, _)| over.outputs.contains(output));
    texts.extend(
        emitted.map(|(output, column)| format!("newly emits column `{column}` of output `{output}`")),
    );
    let columns = own.looked_up.difference(&over.looked_up).filter(|(table, _)| over.tables.contains(table));
    texts.extend(
        columns.map(|(table, column)| format!("newly looks up column `{column}` of table `{table}`")),
    );
    if new.imports_http {
        let before = running.imports_http.then_some(running.grants);
        if before.is_none() {
            texts.push("newly imports http".to_owned());
        }
        for (origin, grant) in &new.grants.http {
            let before = before.and_then(|grants| grants.http.get(origin));
            texts.extend(widened_http(origin, grant, before));
        }
    }
    texts
}

fn widened_http(origin: &Origin, grant: &HttpGrant, before: Option<&HttpGrant>) -> Vec<String> {
    let mut texts = Vec::new();
    let nothing = HttpGrant::default();
    if before.is_none() {
        texts.push(format!("newly may send requests to {origin}"));
    }
    if let Some(before) = before {
        let methods = grant.methods.difference(&before.methods);
        texts.extend(methods.map(|method| format!("newly may send {method} to {origin}")));
        let within = |path: &&String| !before.paths.iter().any(|known| path.starts_with(known.as_str()));
        let paths = grant.paths.iter().filter(within);
        texts.extend(paths.map(|path| format!("newly may ask {origin} for paths under `{path}`")));
    }
    let before = before.unwrap_or(&nothing);
    if grant.allow_private && !before.allow_private {
        texts.push(format!("newly may reach {origin} at private addresses"));
    }
    let secrets = |grant: &HttpGrant| -> BTreeSet<String> {
        grant.headers.values().map(|header| header.secret.clone()).collect()
    };
    let sent = secrets(grant);
    texts.extend(
        sent.difference(&secrets(before)).map(|name| format!("newly sends secret `{name}` to {origin}")),
    );
    texts
}
