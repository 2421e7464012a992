//! Plugins from nothing: `plugin new`, `plugin build` and `plugin dev`, as their authors meet them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use millstream_tests::{Command, Output, Served, Workspace, duckdb};
use serde_json::{Value, json};

/// A first build compiles what the SDK is made of, maybe beside a whole test suite.
const BUILD: Duration = Duration::from_secs(600);
/// Longest wait for a run to do as expected.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two looks.
const GLANCE: Duration = Duration::from_millis(50);

/// An empty folder that is the same one each time, so that nothing is compiled twice.
fn place(test: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("authors").join(test);
    if place.exists() {
        std::fs::remove_dir_all(&place).unwrap();
    }
    std::fs::create_dir_all(&place).unwrap();
    place
}

/// `millstream ARGS…` in a folder, with one target folder for all plugins.
fn millstream(folder: &Path, args: &[&str]) -> Command {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("authors/target");
    Command::millstream(args).in_folder(folder).env("CARGO_TARGET_DIR", target.to_str().unwrap())
}

fn run(folder: &Path, args: &[&str]) -> Output {
    millstream(folder, args).start().finish_within(BUILD)
}

#[track_caller]
fn json_of(output: &Output) -> Value {
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", output.stdout))
}

/// A stream of readings through the plugin, over files.
fn readings(plugin: &str) -> Workspace {
    let workspace = Workspace::files();
    workspace.write("token", "a-token-for-this-test");
    workspace.write(
        "millstream.toml",
        format!(
            "[lake]\nurl = \"lake\"\n[source.files]\ndir = \"messages\"\npoll_interval = \"20ms\"\n\
             [checkpoint]\ninterval = \"200ms\"\n[admin]\ntoken_file = \"token\"\n\
             [streams.readings]\ntopic = \"readings\"\n\
             [streams.readings.schema]\nsensor = \"string\"\ncelsius = \"float64\"\n\
             [[streams.readings.steps]]\nplugin = \"{plugin}\"\nconfig = {{ celsius_max = 60 }}\n"
        ),
    );
    workspace
}

const MESSAGES: &str =
    "{\"sensor\": \" kitchen \", \"celsius\": 21.5}\n{\"sensor\": \"oven\", \"celsius\": 180}\n";

#[test]
fn a_new_plugin_builds_and_runs_and_is_the_same_wherever_it_lies() {
    let place = place("new");
    for folder in ["here", "there"] {
        let new = run(&place, &["plugin", "new", "built-twice", "--path", &format!("{folder}/built-twice")]);
        assert_eq!(new.code, Some(0), "{}", new.stderr);
        assert!(
            new.stdout.contains("src/lib.rs") && new.stdout.contains("millstream plugin test"),
            "{}",
            new.stdout
        );
    }
    let workspace = readings("built-twice");
    let plugins = workspace.path("plugins");
    let into = plugins.to_str().unwrap();
    let here = json_of(&run(&place, &["plugin", "build", "here/built-twice", "--json", "--into", into]));
    let there = json_of(&run(&place, &["plugin", "build", "there/built-twice", "--json"]));
    assert_eq!(here["digest"], there["digest"], "a path of this machine is in it");
    assert_eq!(here["fresh"], false);
    assert!(here["way"].as_str().unwrap().contains("rustc"), "{here}");
    let again = json_of(&run(&place, &["plugin", "build", "here/built-twice", "--json"]));
    assert_eq!((&again["fresh"], &again["digest"]), (&json!(true), &here["digest"]));
    workspace.write("messages/readings/0.jsonl", MESSAGES);
    workspace.catch_up();
    let rows = duckdb(&workspace.files_of("curated.readings"), "SELECT sensor, celsius, fahrenheit FROM t");
    assert_eq!(rows, json!([["kitchen", 21.5, 70.7]]));
    let letters = workspace.millstream(&["dead-letters", "show"]).succeed();
    assert!(letters.contains("`celsius` is above `celsius_max`"), "{letters}");
}

/// Files below `folder`, by path within it.
fn files_in(folder: &Path) -> Vec<String> {
    let (mut files, mut left) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(path) = left.pop() {
        match path.is_dir() {
            true => left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path())),
            false => files.push(path.strip_prefix(folder).unwrap().display().to_string()),
        }
    }
    files.sort();
    files
}

#[test]
fn every_file_that_is_written_is_named() {
    let place = place("files");
    for language in ["rust", "python", "javascript", "c"] {
        let name = format!("gauge-{language}");
        let told = json_of(&run(&place, &["plugin", "new", &name, "--lang", language, "--json"]));
        assert_eq!((&told["plugin"], &told["folder"]), (&json!(name), &json!(name)));
        assert_eq!(told["files"], json!(files_in(&place.join(&name))), "{language}");
    }
    let again = run(&place, &["plugin", "new", "gauge-c", "--lang", "c", "--json"]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(2), ""), "errors go to standard error");
    assert!(again.stderr.starts_with("error: gauge-c is there already"), "{}", again.stderr);
}

#[test]
fn what_cannot_be_written_or_built_is_refused_with_what_to_do() {
    let place = place("refused");
    let write = |name: &str, text: &str| {
        let path = place.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("taken/notes.txt", "");
    write("both/Cargo.toml", "[package]\nname = \"both\"\n");
    write("both/plugin.c", "");
    write("nameless/pyproject.toml", "[project]\nversion = \"1\"\n");
    write("broken/package.json", "{");
    write("scoped/package.json", "{\"name\": \"@me/scoped\"}");
    let check = |args: &[&str], expect: &str| {
        let output = run(&place, &[&["plugin"], args].concat());
        assert_eq!(output.code, Some(2), "{args:?}: {}", output.stderr);
        assert!(output.stderr.contains(expect), "{args:?}: {}", output.stderr);
        assert_eq!(output.stdout, "", "{args:?}");
    };
    check(&["new", "taken"], "taken is there already: choose another name, or another folder with --path");
    check(&["new", "two words"], "`two words` cannot be the name of a plugin: expected letters, digits");
    check(&["new", "yield"], "`yield` means something else in Rust");
    check(&["new", "serde"], "`serde` is the name of a crate that plugins are made of");
    check(
        &["new", "gauge", "--lang", "c", "--path", "meters"],
        "the last part of meters is not `gauge`; call the plugin so, or write --path meters/gauge",
    );
    check(&["new", "x", "--lang", "cobol"], "possible values: rust, python, javascript, c");
    check(&["build", "nowhere"], "there is no folder nowhere: `millstream plugin new NAME` makes one");
    check(&["build", "taken"], "is not the folder of a plugin: expected Cargo.toml, pyproject.toml");
    check(&["build", "both"], "both has Cargo.toml and plugin.c: a plugin is written in one language");
    check(&["build", "nameless"], "pyproject.toml: `project.name` is missing");
    check(&["build", "broken"], "package.json: EOF while parsing");
    check(&["build", "scoped"], "package.json: `@me/scoped` cannot be the name of a plugin");
    check(&["dev", "taken"], "is not the folder of a plugin");
    write("fine/plugin.c", "");
    check(&["dev", "fine", "--into", "nowhere"], "there is no folder nowhere to drop the plugin into");
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 6, "something was left behind");
}

/// Waits until the stream's newest rows have this sensor.
#[track_caller]
fn wait_for_sensor(workspace: &Workspace, run: &Served, sensor: &str) {
    let url = format!("http://{}", run.address);
    let end = Instant::now() + PATIENCE;
    loop {
        let tap = workspace
            .millstream(&["tap", "--url", &url, "--stream", "readings", "-n", "1", "--json"])
            .start();
        tap.wait_for_line(|line| line.starts_with("tapping "));
        workspace.append("messages/readings/0.jsonl", "{\"sensor\": \" kitchen \", \"celsius\": 21.5}\n");
        let row: Value = serde_json::from_str(&tap.finish().stdout).expect("a row");
        if row["sensor"] == sensor {
            return;
        }
        assert!(Instant::now() < end, "the sensor is still {row}");
        std::thread::sleep(GLANCE);
    }
}

#[test]
fn each_save_is_built_tested_and_dropped_in_unless_it_fails() {
    let place = place("dev");
    assert_eq!(run(&place, &["plugin", "new", "saved-often"]).code, Some(0));
    let workspace = readings("saved-often");
    let plugins = workspace.path("plugins");
    let into = plugins.to_str().unwrap();
    assert_eq!(run(&place, &["plugin", "build", "saved-often", "--into", into]).code, Some(0));
    workspace.write("messages/readings/0.jsonl", "");
    let served = Served::start(&workspace);
    served.wait_until_committed("readings", 0);
    wait_for_sensor(&workspace, &served, "kitchen");

    let url = format!("http://{}", served.address);
    let token = workspace.path("token");
    let args = [
        "plugin",
        "dev",
        "saved-often",
        "--into",
        into,
        "--url",
        &url,
        "--token-file",
        token.to_str().unwrap(),
    ];
    let dev = millstream(&place, &args).start();
    let source = place.join("saved-often/src/lib.rs");
    let text = std::fs::read_to_string(&source).unwrap();
    // Nothing but the end of a round says that it watches by now; what is saved before is built with the first.
    std::fs::write(&source, text.replace("map(str::trim)", "map(str::trimmed)")).unwrap();
    dev.wait_for_line(|line| line.contains("could not compile `saved-often`"));
    wait_for_sensor(&workspace, &served, "kitchen");
    let cases = place.join("saved-often/cases/readings/expected.jsonl");
    let expected = std::fs::read_to_string(&cases).unwrap();
    std::fs::write(&cases, expected.replace("\"kitchen\"", "\" kitchen \"")).unwrap();
    std::fs::write(&source, text.replace("map(str::trim)", "map(|name| name)")).unwrap();
    wait_for_sensor(&workspace, &served, " kitchen ");
    dev.signal("INT");
    let output = dev.finish();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let lines: Vec<_> = output.stdout.lines().collect();
    let has =
        |start: &str, part: &str| lines.iter().any(|line| line.starts_with(start) && line.contains(part));
    assert!(has("build", "failed: plugin `saved-often` was not built"), "{}", output.stdout);
    assert!(has("build", "nothing was dropped in"), "{}", output.stdout);
    assert!(has("drop in", "saved-often.wasm"), "{}", output.stdout);
    served.stop();
}

/// Writes a message every now and then, as long as it lives.
struct Messages(std::sync::mpsc::Sender<()>, Option<std::thread::JoinHandle<()>>);

impl Messages {
    fn to(file: PathBuf) -> Self {
        let (alive, ended) = std::sync::mpsc::channel();
        let write = move || {
            use std::io::Write as _;
            let mut file = std::fs::File::options().append(true).open(file).unwrap();
            while ended.recv_timeout(GLANCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                file.write_all(b"{\"sensor\": \" kitchen \", \"celsius\": 21.5}\n").unwrap();
            }
        };
        Self(alive, Some(std::thread::spawn(write)))
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        let _ = self.0.send(());
        let _ = self.1.take().map(std::thread::JoinHandle::join);
    }
}

#[test]
fn a_save_in_a_crate_beside_the_plugin_is_built_tested_and_shadowed() {
    let place = place("beside");
    assert_eq!(run(&place, &["plugin", "new", "with-words"]).code, Some(0));
    let write = |name: &str, text: &str| {
        let path = place.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let edit = |name: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(place.join(name)).unwrap();
        assert!(text.contains(from), "{name}: {text}");
        write(name, &text.replace(from, to));
    };
    write("words/Cargo.toml", "[package]\nname = \"words\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    write("words/src/lib.rs", "pub fn plain(name: &str) -> &str {\n    name.trim()\n}\n");
    edit("with-words/Cargo.toml", "[dependencies]\n", "[dependencies]\nwords = { path = \"../words\" }\n");
    edit("with-words/src/lib.rs", "map(str::trim)", "map(words::plain)");
    let workspace = readings("with-words");
    let plugins = workspace.path("plugins");
    let built = run(&place, &["plugin", "build", "with-words", "--into", plugins.to_str().unwrap()]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    workspace.write("messages/readings/0.jsonl", "");
    let served = Served::start(&workspace);
    served.wait_until_committed("readings", 0);
    let (url, token) = (format!("http://{}", served.address), workspace.path("token"));
    let _messages = Messages::to(workspace.path("messages/readings/0.jsonl"));

    let to = ["--url", &url, "--token-file", token.to_str().unwrap()];
    let shadow = ["plugin", "dev", "with-words", "--shadow", "3s", "--step", "with-words"];
    let dev = millstream(&place, &[&shadow[..], &to].concat()).start();
    dev.wait_for_line(|line| line.starts_with("shadow ") && line.contains("rows, 0 different"));
    edit("with-words/cases/readings/expected.jsonl", "\"kitchen\"", "\" kitchen \"");
    edit("words/src/lib.rs", "name.trim()", "name");
    let differs = |line: &str| {
        let different = line.split("rows, ").nth(1).and_then(|rest| rest.strip_suffix(" different"));
        line.starts_with("shadow ") && different.is_some_and(|rows| rows != "0")
    };
    dev.wait_for_line(differs);
    dev.signal("INT");
    let output = dev.finish();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    served.stop();
}
