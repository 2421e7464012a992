//! A guest for each grant that tries to go past it: refused before any row flows, with what is missing and
//! where to add it.

use millstream_engine::{Grants, Limits, Step};

use crate::{input, misbehave};

fn names(list: &[&str]) -> std::collections::BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn configured(mode: &str, grants: &Grants) -> Result<Step, String> {
    let config = serde_json::json!({ "mode": mode });
    misbehave().configure(&config, &input(), Limits::default(), grants).map_err(|error| error.to_string())
}

/// Bounded to reading and writing `n`, which most modes of the guest do.
fn bounded() -> Grants {
    Grants { read: Some(names(&["n"])), write: Some(names(&["n"])), ..Grants::default() }
}

#[test]
fn nothing_is_done_that_is_not_granted() {
    let check = |mode: &str, grants: &Grants, expected: &str| {
        let message = configured(mode, grants).expect_err(mode);
        assert!(message.contains("plugin `misbehave` cannot run on stream `s`"), "{mode}: {message}");
        assert!(message.contains(expected), "{mode}: `{expected}` is not in: {message}");
    };
    let refused = |what: &str, name: &str, key: &str| {
        format!("{what} `{name}`, which is not granted: add `{name}` to {key} in plugins/misbehave.toml")
    };
    check("add", &bounded(), &refused("it reads column", "a", "grants.read"));
    check("add", &bounded(), &refused("it reads column", "b", "grants.read"));
    check("add", &bounded(), &refused("it writes column", "sum", "grants.write"));
    check("reads-key", &bounded(), &refused("it reads column", "_key", "grants.read"));
    check("drops", &bounded(), &refused("it drops column", "a", "grants.write"));
    check("alerts", &bounded(), &refused("it emits column", "message", "grants.write"));
    // Stores and tables are the world's business only once they are granted.
    check("store", &Grants::default(), &refused("it keeps state in store", "seen", "grants.stores"));
    check("table", &Grants::default(), &refused("it uses lookup table", "cars", "grants.tables"));
    let strict = Grants { strict: true, file: "elsewhere/guest.toml".to_owned(), ..Grants::default() };
    check(
        "double",
        &strict,
        "it reads column `n`, which is not granted: add `n` to grants.read in elsewhere/guest.toml",
    );
    check("double", &strict, "it writes column `n`, which is not granted: add `n` to grants.write");
}

#[test]
fn what_is_granted_is_done() {
    let strict = Grants { strict: true, ..bounded() };
    for grants in [Grants::default(), bounded(), strict] {
        configured("double", &grants).unwrap();
    }
    configured("add", &Grants::default()).unwrap();
    let drops = Grants { write: Some(names(&["n", "a"])), ..bounded() };
    configured("drops", &drops).unwrap();
    let key = Grants { read: Some(names(&["n", "_key"])), ..bounded() };
    configured("reads-key", &key).unwrap();
    let emits = Grants { write: Some(names(&["n", "a", "message"])), ..bounded() };
    configured("alerts", &emits).unwrap();
}

#[test]
fn a_version_that_wants_more_says_what() {
    let step = |mode: &str| configured(mode, &Grants::default()).unwrap();
    let check = |new: &str, running: &str, expected: &[&str]| {
        assert_eq!(step(new).widened(&step(running)), expected, "{new} over {running}");
    };
    check("double", "double", &[]);
    check("double", "drops", &[]);
    check("drops", "double", &["newly drops column `a`"]);
    check("reads-key", "double", &["newly reads column `_key`"]);
    check(
        "add",
        "double",
        &["newly reads column `a`", "newly reads column `b`", "newly writes column `sum`"],
    );
    check("alerts", "double", &["newly declares output `alerts`"]);
}
