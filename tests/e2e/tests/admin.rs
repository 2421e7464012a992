//! The admin API of a real run and the verbs that use it: who gets through, what there is to see, what changes.

use std::time::{Duration, Instant};

use millstream_tests::{Served, Workspace, repository, seeds};
use serde_json::{Value, json};

const TOKEN: &str = "correct-horse-battery-staple";
const VARIABLE: &str = "MILLSTREAM_ADMIN__TOKEN";
const STEP: &str = "/api/v1/streams/vehicle/steps/cleanse";
/// Longest wait for a change, and the time between two looks.
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(50);

/// A run over some messages, all of them committed.
fn served() -> (Workspace, Served, usize) {
    let workspace = Workspace::files();
    served_in(workspace)
}

fn served_in(workspace: Workspace) -> (Workspace, Served, usize) {
    let messages = seeds("us-route", "vehicle_data");
    let count = messages.lines().count();
    workspace.write("messages/vehicle_data/0.jsonl", messages);
    let served = Served::with(&workspace, VARIABLE, TOKEN);
    served.wait_until_committed("vehicle", count);
    (workspace, served, count)
}

/// A verb that asks the run, as a user types it; it must succeed. Gives what it prints as JSON.
#[track_caller]
fn verb(workspace: &Workspace, served: &Served, args: &[&str]) -> Value {
    let url = format!("http://{}", served.address);
    let args = [args, &["--json", "--url", &url]].concat();
    let lines = workspace.millstream(&args).env(VARIABLE, TOKEN).succeed();
    serde_json::from_str(lines.lines().next().unwrap_or_default()).expect("the verb prints JSON")
}

#[track_caller]
fn step(served: &Served) -> Value {
    let (code, _, body) = served.ask("GET", STEP, Some(TOKEN), "");
    assert_eq!(code, 200, "{body}");
    serde_json::from_str(&body).expect("a step is JSON")
}

/// Waits until the step is as `wanted`.
#[track_caller]
fn wait_for_step(served: &Served, wanted: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let step = step(served);
        if wanted(&step) {
            return step;
        }
        assert!(Instant::now() < end, "the step does not become as expected: {step:#}");
        std::thread::sleep(GLANCE);
    }
}

#[test]
fn every_route_refuses_a_missing_or_wrong_token() {
    let (_workspace, served, _) = served();
    let (code, _, text) = served.ask("GET", "/api/v1/openapi.json", Some(TOKEN), "");
    assert_eq!(code, 200);
    let kept = std::fs::read_to_string(repository().join("docs/openapi.json")).expect("the description");
    assert!(kept == text, "docs/openapi.json is not what is served");
    let described: Value = serde_json::from_str(&text).expect("the description is JSON");
    let mut routes =
        vec![("get".to_owned(), "/api/v1/nowhere".to_owned()), ("post".to_owned(), "/api/x".to_owned())];
    for (path, methods) in described["paths"].as_object().expect("there are paths") {
        let path = path.replace(['{', '}'], "");
        routes.extend(
            methods.as_object().expect("methods").keys().map(|method| (method.clone(), path.clone())),
        );
    }
    assert!(routes.len() > 14, "{routes:?}");
    let longer = format!("{TOKEN}x");
    for (method, path) in routes {
        for token in [None, Some(""), Some("wrong-horse-battery-staple"), Some(&TOKEN[1..]), Some(&longer)] {
            let (code, head, body) = served.ask(&method.to_uppercase(), &path, token, "");
            assert_eq!(code, 401, "{method} {path} {token:?}: {body}");
            assert!(head.contains("www-authenticate: Bearer"), "{head}");
        }
    }
    let output = served.stop();
    assert!(!output.stderr.contains(TOKEN) && !output.stdout.contains(TOKEN), "the token was printed");
}

#[test]
fn schemathesis_finds_nothing() {
    let (workspace, served, _) = served();
    // Reloading is not what is looked at: the candidate stays one.
    workspace.write("plugins/cleanse-vehicle.wasm", "no plugin");
    let url = format!("http://{}", served.address);
    let output = std::process::Command::new(repository().join("tests/api/schemathesis"))
        .arg(url)
        .env(VARIABLE, TOKEN)
        .output()
        .expect("tests/api/schemathesis is a bash script");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(served.get("/healthz").0, 200);
}

#[test]
fn the_api_is_off_unless_configured_and_local_unless_said() {
    let workspace = Workspace::files();
    let served = Served::start(&workspace);
    let (code, _, body) = served.ask("GET", "/api/v1/steps", None, "");
    assert!(code == 404 && body.contains("the admin API is off"), "{code} {body}");
    served.stop();

    let refused = |args: &[&str], part: &str| {
        let output = workspace.millstream(args).env(VARIABLE, TOKEN).run();
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        assert!(output.stderr.contains(part) && !output.stderr.contains(TOKEN), "{}", output.stderr);
    };
    refused(&["run", "--listen", "0.0.0.0:0"], "`admin.remote`: the admin API would be served at 0.0.0.0:0");
    workspace.configure("[lake]", "[http]\nlisten = \"0.0.0.0:0\"\n[lake]");
    refused(&["validate"], "`admin.remote`");
    workspace.configure("[lake]", "[admin]\ntoken = \"short\"\n[lake]");
    let output = workspace.millstream(&["validate"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("a token has 16 to 1024 characters"), "{}", output.stderr);
}

#[test]
fn the_verbs_find_the_token_and_show_the_steps() {
    let (workspace, served, count) = served();
    let url = format!("http://{}", served.address);
    let listed = verb(&workspace, &served, &["plugin", "list"]);
    assert_eq!((&listed["step"], &listed["rows"]), (&json!("cleanse"), &json!(count)));
    let shown = verb(&workspace, &served, &["plugin", "show", "--step", "cleanse"]);
    assert_eq!(shown["digest"], listed["history"][0]["digest"]);
    assert_eq!(
        verb(&workspace, &served, &["plugin", "show", "--step", "vehicle/cleanse"])["plugin"],
        "cleanse-vehicle"
    );

    let check = |args: &[&str], environment: Option<&str>, code: i32, part: &str| {
        let args = [args, &["--url", &url]].concat();
        let command = workspace.millstream(&args);
        let output = match environment {
            Some(token) => command.env(VARIABLE, token).run(),
            None => command.run(),
        };
        assert_eq!(output.code, Some(code), "{args:?}: {}", output.stderr);
        let said = output.stdout + &output.stderr;
        assert!(said.contains(part) && !said.contains(TOKEN), "`{part}` is not in: {said}");
    };
    workspace.write("token", format!("{TOKEN}\n"));
    check(&["plugin", "list", "--token-file", "token"], None, 0, "vehicle/cleanse");
    check(
        &["plugin", "list", "--token-file", "token"],
        Some("wrong-horse-battery"),
        0,
        "cleanse-vehicle 0.1",
    );
    check(&["plugin", "show", "--step", "cleanse"], Some(TOKEN), 0, "versions, the latest first");
    check(&["plugin", "list"], Some("wrong-horse-battery"), 1, "has another token");
    check(&["plugin", "list"], None, 2, "no token");
    check(&["plugin", "list", "--token-file", "absent"], None, 2, "absent: No such file");
    check(&["plugin", "show", "--step", "gps"], Some(TOKEN), 1, "no step `gps`; there are: vehicle/cleanse");
    check(&["plugin", "promote", "--step", "cleanse"], Some(TOKEN), 1, "has no candidate; say with --digest");
    check(
        &["plugin", "promote", "--step", "cleanse", "--digest", "00000000"],
        Some(TOKEN),
        1,
        "begins with 00000000",
    );
    check(&["pause", "gps"], Some(TOKEN), 1, "no stream `gps`; there are: vehicle");
    check(
        &["plugin", "shadow", "absent.wasm", "--step", "cleanse", "--last", "1"],
        Some(TOKEN),
        2,
        "absent.wasm cannot be read",
    );
    check(&["plugin", "shadow", "x.wasm", "--step", "cleanse"], Some(TOKEN), 2, "--for");
    workspace.configure("[lake]", "[admin]\ntoken_file = \"token\"\n[lake]");
    check(&["plugin", "list"], None, 0, "vehicle/cleanse");
}

/// A version is held, tried beside the live one, promoted and left again, while the stream runs.
#[test]
fn the_verbs_change_a_live_stream() {
    let workspace = Workspace::files();
    workspace
        .configure("plugin = \"cleanse-vehicle\"", "plugin = \"cleanse-vehicle\"\non_drop_in = \"hold\"");
    let first = std::fs::read(millstream_guests::wasm("cleanse-vehicle")).unwrap();
    // The same plugin with another digest: a custom section named `x` is added.
    let second = [first.as_slice(), &[0, 2, 1, b'x']].concat();
    let (workspace, served, count) = served_in(workspace);
    let before = step(&served)["digest"].clone();

    workspace.write("second.wasm", &second);
    let shadowed =
        ["plugin", "shadow", "second.wasm", "--step", "cleanse", "--last", "50", "--fail-on-difference"];
    let shadowed = verb(&workspace, &served, &shadowed);
    assert_eq!((&shadowed["done"], &shadowed["error"]), (&json!(true), &json!(null)), "{shadowed:#}");
    assert_eq!(shadowed["report"]["rows_different"], 0, "{shadowed:#}");
    assert_eq!(step(&served)["digest"], before, "a shadow has no effect");

    workspace.write("plugins/cleanse-vehicle.wasm", &second);
    wait_for_step(&served, |step| step["candidate"]["state"] == "held");
    let promoted = verb(&workspace, &served, &["plugin", "promote", "--step", "cleanse"]);
    let now = wait_for_step(&served, |step| step["digest"] == promoted["digest"]);
    assert!(now["digest"] != before && now["candidate"].is_null(), "{now:#}");
    assert_eq!(now["since"]["sequence"], promoted["sequence"]);
    assert_eq!(now["since"]["cause"], "promoted");

    let back = verb(&workspace, &served, &["plugin", "rollback", "--step", "cleanse"]);
    assert_eq!(back["digest"], before);
    let now = wait_for_step(&served, |step| step["digest"] == before);
    let causes: Vec<_> =
        now["history"].as_array().unwrap().iter().map(|version| version["cause"].clone()).collect();
    assert_eq!(causes[..2], [json!("rolled_back"), json!("promoted")]);

    let digest = promoted["digest"].as_str().expect("a digest");
    let live = ["plugin", "shadow", "--digest", digest, "--step", "cleanse", "--for", "200ms"];
    let live = verb(&workspace, &served, &live);
    assert_eq!((&live["digest"], &live["error"]), (&promoted["digest"], &json!(null)), "{live:#}");
    // No message came meanwhile: that proves nothing.
    let url = format!("http://{}", served.address);
    let strict = ["plugin", "shadow", "--digest", digest, "--step", "cleanse", "--for", "200ms"];
    let strict = [&strict[..], &["--fail-on-difference", "--url", &url]].concat();
    let output = workspace.millstream(&strict).env(VARIABLE, TOKEN).run();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("nothing was compared"), "{}", output.stderr);

    let paused = verb(&workspace, &served, &["pause", "vehicle", "--reason", "tea"]);
    let (_, _, stream) = served.ask("GET", "/api/v1/streams/vehicle", Some(TOKEN), "");
    let stream: Value = serde_json::from_str(&stream).unwrap();
    assert_eq!(
        (&stream["paused"]["reason"], &stream["paused"]["sequence"]),
        (&json!("tea"), &paused["sequence"])
    );
    let (code, _, again) = served.ask("POST", "/api/v1/streams/vehicle/pause", Some(TOKEN), "");
    assert!(code == 409 && again.contains("tea"), "{code} {again}");
    let more = seeds("canonical", "vehicle_data");
    workspace.append("messages/vehicle_data/0.jsonl", &more);
    verb(&workspace, &served, &["resume", "vehicle"]);
    served.wait_until_committed("vehicle", count + more.lines().count());
    served.stop();
}

/// The commands of the page, as they stand there.
#[test]
fn what_the_documents_say_to_type_works() {
    let (workspace, served, _) = served();
    let page = std::fs::read_to_string(repository().join("docs/admin-api.md")).expect("the page");
    let blocks = page.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap_or_default());
    let script: String = blocks.filter(|block| block.contains("curl ")).collect();
    assert!(script.lines().filter(|line| line.contains("curl ")).count() > 2, "{script}");
    let script = format!("set -euo pipefail\n{script}")
        .replace("http://127.0.0.1:9464", &format!("http://{}", served.address));
    workspace.write("token", TOKEN);
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .current_dir(workspace.path(""))
        .output()
        .expect("bash is there");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("\"step\":\"cleanse\"") && said.contains("\"sequence\":"), "{said}");
}
