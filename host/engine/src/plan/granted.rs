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

/// What a plan does, the grant that bounds it, the names, and those that are granted; none: all of them.
type Bound<'a> = (&'static str, &'static str, &'a BTreeSet<&'a str>, Option<&'a BTreeSet<String>>);

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
    let bounds: [Bound<'_>; 7] = [
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

#[cfg(test)]
mod tests {
    use crate::bindings::guest::{InputPlan, Output, Plan, Store, TableUse};
    use crate::bindings::types::DataType;
    use crate::grants::{Scheme, SecretHeader};

    use super::*;

    fn plan() -> Plan {
        let own =
            InputPlan { reads: vec![], writes: vec![], drops: vec![], key: None, row_preserving: false };
        Plan { inputs: vec![own], outputs: vec![], stores: vec![], tables: vec![], hints: vec![] }
    }

    fn field(name: &str) -> Field {
        Field { name: name.to_owned(), ty: DataType::Utf8, nullable: true }
    }

    fn origin(host: &str) -> Origin {
        Origin { scheme: Scheme::Https, host: host.to_owned(), port: 443 }
    }

    fn granting(grant: HttpGrant) -> Grants {
        Grants { http: [(origin("api.example.com"), grant)].into(), ..Grants::default() }
    }

    #[test]
    fn rows_places_and_times_may_always_be_read() {
        let mut plan = plan();
        plan.inputs[0].reads = READABLE.map(field).to_vec();
        let strict = Grants { strict: true, ..Grants::default() };
        assert_eq!(check("x", Reach { plan: &plan, imports_http: false, grants: &strict }), Ok(()));
        for column in [columns::KEY, columns::UNKNOWN] {
            plan.inputs[0].reads = vec![field(column)];
            let refused = check("x", Reach { plan: &plan, imports_http: false, grants: &strict });
            assert!(refused.is_err_and(|problem| problem.to_string().contains(column)));
        }
    }

    #[test]
    fn http_needs_a_server() {
        let check = |grants: &Grants| check("x", Reach { plan: &plan(), imports_http: true, grants });
        let message = check(&Grants::default()).unwrap_err().to_string();
        let expected = "it imports `http`, which is not granted: add [grants.http.\"HOST\"] for each server that it may \
                        send requests to, in plugins/x.toml";
        assert_eq!(message, expected);
        assert_eq!(check(&granting(HttpGrant::default())), Ok(()));
    }

    #[test]
    fn what_is_new_is_said() {
        let check = |new: &Plan, over: &Plan, expected: &[&str]| {
            let grants = Grants::default();
            let reach = |plan| Reach { plan, imports_http: false, grants: &grants };
            let (new, over) = (reach(new), reach(over));
            assert_eq!(widened(new, over), expected);
            assert_eq!(widened(over, new), Vec::<String>::new(), "less is no news");
        };
        let mut new = plan();
        new.inputs[0].reads = vec![field("driver_name"), field(columns::OFFSET)];
        new.inputs[0].key = Some(vec!["plate".to_owned()]);
        new.stores = vec![Store { name: "seen".to_owned(), version: 1, ttl_seconds: None }];
        new.tables = vec![TableUse { name: "cars".to_owned(), columns: vec!["owner".to_owned()] }];
        let expected = [
            "newly reads column `driver_name`",
            "newly reads column `plate`",
            "newly keeps state in store `seen`",
            "newly uses lookup table `cars`",
        ];
        check(&new, &plan(), &expected);
        let mut more = new.clone();
        more.tables[0].columns.push("address".to_owned());
        check(&more, &new, &["newly looks up column `address` of table `cars`"]);
        let output = |fields: &[&str]| Output {
            name: "alerts".to_owned(),
            fields: fields.iter().map(|name| field(name)).collect(),
        };
        let (before, after) = (
            Plan { outputs: vec![output(&["message"])], ..plan() },
            Plan { outputs: vec![output(&["message", "plate"])], ..plan() },
        );
        check(&after, &before, &["newly emits column `plate` of output `alerts`"]);
    }

    #[test]
    fn new_ways_out_are_said() {
        let plan = plan();
        let check = |new: (bool, &Grants), over: (bool, &Grants), expected: &[&str]| {
            let reach = |(imports_http, grants)| Reach { plan: &plan, imports_http, grants };
            assert_eq!(widened(reach(new), reach(over)), expected);
        };
        let get = granting(HttpGrant::default());
        check((true, &get), (true, &get), &[]);
        check((false, &get), (false, &Grants::default()), &[]);
        let first = ["newly imports http", "newly may send requests to https://api.example.com"];
        check((true, &get), (false, &get), &first);
        let header = SecretHeader { secret: "TOKEN".to_owned(), prefix: String::new() };
        let more = granting(HttpGrant {
            methods: ["GET", "POST"].map(str::to_owned).into(),
            paths: ["/v1/", "/v2/"].map(str::to_owned).into(),
            allow_private: true,
            headers: [("authorization".to_owned(), header)].into(),
        });
        let less = granting(HttpGrant { paths: ["/v1".to_owned()].into(), ..HttpGrant::default() });
        let expected = [
            "newly may send POST to https://api.example.com",
            "newly may ask https://api.example.com for paths under `/v2/`",
            "newly may reach https://api.example.com at private addresses",
            "newly sends secret `TOKEN` to https://api.example.com",
        ];
        check((true, &more), (true, &less), &expected);
        check((true, &less), (true, &more), &["newly may ask https://api.example.com for paths under `/v1`"]);
    }
}
