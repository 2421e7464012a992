//! What a plugin may touch, and what its configuration may say: refused before any row flows, with names and
//! the line to add; exit code 2.

use millstream_tests::Workspace;

/// Numbers, and the guest `misbehave` in `mode` with `beside` beside it.
fn workspace(mode: &str, beside: &str) -> Workspace {
    let workspace = Workspace::files();
    workspace.install("misbehave");
    workspace.write(
        "millstream.toml",
        format!(
            "[lake]\nurl = \"lake\"\n[source.files]\ndir = \"messages\"\npoll_interval = \"20ms\"\n\
             [streams.numbers]\ntopic = \"numbers\"\n[streams.numbers.schema]\n\
             n = {{ type = \"int64\", required = true }}\na = \"float64\"\nb = \"float64\"\n\
             [[streams.numbers.steps]]\nplugin = \"misbehave\"\nconfig = {{ mode = \"{mode}\" }}\n"
        ),
    );
    workspace.write("plugins/misbehave.toml", beside);
    workspace.write("messages/numbers/0.jsonl", "{\"n\":1,\"a\":1.5}\n");
    workspace
}

#[track_caller]
fn refused(workspace: &Workspace, words: &[&str]) {
    let output = workspace.millstream(&["run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    for word in words {
        assert!(output.stderr.contains(word), "`{word}` is not in:\n{}", output.stderr);
    }
    let raw = workspace.path("lake/raw.numbers");
    assert!(!raw.exists() && !workspace.path("lake/raw").exists(), "rows flowed: {}", raw.display());
}

#[test]
fn what_is_not_granted_is_refused_before_any_row() {
    let check = |mode: &str, beside: &str, words: &[&str]| {
        let place = ["millstream.toml:13:", "stream `numbers`", "step `misbehave`", "plugin `misbehave`"];
        refused(&workspace(mode, beside), &[&place, words].concat());
    };
    let bounded = "[grants]\nread = [\"n\"]\nwrite = [\"n\"]\n";
    check(
        "add",
        bounded,
        &["it reads column `a`, which is not granted: add `a` to grants.read in plugins/misbehave.toml"],
    );
    check("add", bounded, &["it writes column `sum`", "add `sum` to grants.write"]);
    check("drops", bounded, &["it drops column `a`", "add `a` to grants.write"]);
    check("reads-key", bounded, &["it reads column `_key`", "add `_key` to grants.read"]);
    check("alerts", bounded, &["it emits column `message`", "add `message` to grants.write"]);
    check("double", "[grants]\nstrict = true\n", &["it reads column `n`", "it writes column `n`"]);
    check("store", "", &["it keeps state in store `seen`", "add `seen` to grants.stores"]);
    check("table", "", &["it uses lookup table `cars`", "add `cars` to grants.tables"]);
}

#[test]
fn what_is_granted_runs() {
    let beside = "[grants]\nstrict = true\nread = [\"n\"]\nwrite = [\"n\"]\n";
    let summary = workspace("double", beside).catch_up();
    assert_eq!(summary["streams"]["numbers"]["in"], 1, "{summary}");
}

#[test]
fn a_header_needs_a_secret_that_is_there() {
    let beside = "[grants.http.\"api.example.com\"]\nheaders = { authorization = { secret = \"TOKEN\" } }\n";
    refused(&workspace("double", beside), &["plugins/misbehave.toml:2:", "no secret `TOKEN`", "[secrets]"]);
}

/// A secret's value is in the configuration's own process alone.
#[test]
fn a_secret_is_not_shown() {
    let workspace = workspace("double", "");
    workspace.configure("[lake]", "[secrets]\nTOKEN = { env = \"OUR_TOKEN\" }\n[lake]");
    refused(
        &workspace,
        &["millstream.toml:2:", "`secrets.TOKEN`", "environment variable OUR_TOKEN is not set"],
    );
    for args in [["run", "--until-caught-up"], ["validate", "--json"]] {
        let run =
            workspace.millstream(&args).env("OUR_TOKEN", "hunter2").env("MILLSTREAM_LOG", "trace").run();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(!run.stdout.contains("hunter2") && !run.stderr.contains("hunter2"), "{}", run.stderr);
    }
}

#[test]
fn parameters_are_checked_against_the_plugins_schema() {
    let check = |from: &str, to: &str, words: &[&str]| {
        let workspace = Workspace::files();
        workspace.configure(from, to);
        let output = workspace.millstream(&["validate"]).run();
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        for word in [&["millstream.toml:", "step `cleanse`", "the schema of plugin `cleanse-vehicle`"], words]
            .concat()
        {
            assert!(output.stderr.contains(word), "`{word}` is not in:\n{}", output.stderr);
        }
    };
    check("{ zone = \"Europe/London\" }", "{ zone = 7 }", &["`zone`: 7 is not of type \"string\""]);
    check("{ zone = \"Europe/London\" }", "{}", &["\"zone\" is a required property"]);
    check("{ zone =", "{ zoen =", &["'zoen' was unexpected"]);
}
