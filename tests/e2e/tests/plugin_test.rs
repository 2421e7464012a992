//! `millstream plugin test`: every plugin of this repository passes its cases, and whoever writes a case wrongly is told
//! which file, which line, and what to do.

use std::path::{Path, PathBuf};

use millstream_tests::{Command, Output, Workspace, seeds};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder with one case `c` of the guest `forgetful`, and a cache of its own.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join("cases").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.0.path().join("cases").join(path)).unwrap()
    }

    fn test(&self, guest: &str, args: &[&str]) -> Output {
        self.command(guest, args).run()
    }

    fn command(&self, guest: &str, args: &[&str]) -> Command {
        let wasm = millstream_guests::wasm(guest);
        Command::millstream(["plugin", "test", "--wasm", wasm.to_str().unwrap()].iter().chain(args))
            .in_folder(self.0.path())
            .env("MILLSTREAM_CACHE", self.0.path().join("cache").to_str().unwrap())
    }
}

#[track_caller]
fn check(output: &Output, code: i32, texts: &[&str]) {
    assert_eq!(output.code, Some(code), "{}{}", output.stdout, output.stderr);
    for text in texts {
        let all = format!("{}{}", output.stdout, output.stderr);
        assert!(all.contains(text), "`{text}` is not in:\n{all}");
    }
}

#[test]
fn every_plugin_passes_its_cases() {
    let cache = tempfile::tempdir().unwrap();
    let entries = std::fs::read_dir(root().join("plugins")).unwrap().map(|entry| entry.unwrap().path());
    let plugins: Vec<_> = entries.filter(|folder| folder.join("cases").is_dir()).collect();
    assert!(plugins.len() >= 5, "{plugins:?}");
    for folder in plugins {
        let wasm = millstream_guests::wasm(folder.file_name().unwrap().to_str().unwrap());
        let args = ["plugin", "test", folder.to_str().unwrap(), "--wasm", wasm.to_str().unwrap()];
        let output = Command::millstream(args).env("MILLSTREAM_CACHE", cache.path().to_str().unwrap()).run();
        assert_eq!(output.code, Some(0), "{}\n{}{}", folder.display(), output.stdout, output.stderr);
    }
}

const MESSAGES: &str = "{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"}\n{\"id\":\"d\"}\n";
const NUMBERED: &str = "{\"id\":\"a\",\"number\":1}\n{\"id\":\"b\",\"number\":2}\n{\"id\":\"c\",\"number\":3}\n{\"id\":\"d\",\"number\":4}\n";

#[test]
fn a_plugin_that_keeps_state_in_its_memory_is_found_out_by_cuts_alone() {
    let folder = Folder::new(&[("c/input.jsonl", MESSAGES), ("c/expected.jsonl", NUMBERED)]);
    check(&folder.test("forgetful", &["--cuts", "0"]), 0, &["1 case: 1 passed"]);
    let output = folder.test("forgetful", &["--seed", "7"]);
    check(
        &output,
        1,
        &["case c", "other rows come out than in one batch", "--seed 7 --case c", "number", "expected  "],
    );
    assert_eq!(folder.test("forgetful", &["--seed", "7"]).stdout, output.stdout, "a seed cuts alike");
    // It logs each row, which is shown once, in the report.
    let output = folder.command("forgetful", &["--seed", "7"]).env("MILLSTREAM_LOG", "debug").run();
    assert!(!output.stderr.contains("is number"), "{}", output.stderr);
}

#[test]
fn a_difference_shows_the_columns_that_differ() {
    let expected = NUMBERED.replacen("\"number\":2", "\"number\":20", 1);
    let folder = Folder::new(&[("c/input.jsonl", MESSAGES), ("c/expected.jsonl", &expected)]);
    let output = folder.test("forgetful", &["--cuts", "0"]);
    let shown = [
        "case c\n  line 2  {\"id\":\"b\"}\n    number\n      expected  20\n      found     2\n",
        "it logged",
        "DEBUG a is number 1",
        "1 case: 1 failed",
    ];
    check(&output, 1, &shown);
    let output = folder.test("forgetful", &["--cuts", "0", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(output.code, Some(1));
    assert_eq!(object["differences"][0]["line"], 2);
    assert_eq!(object["differences"][0]["columns"][0]["expected"], 20);
}

#[test]
fn what_came_out_is_written_as_what_is_expected() {
    let folder = Folder::new(&[("c/input.jsonl", MESSAGES)]);
    check(&folder.test("mark", &[]), 2, &["c/expected.jsonl is not there", "--bless"]);
    // `mark` wants a number.
    folder.write("c/input.jsonl", "{\"id\":1}\n");
    check(&folder.test("mark", &["--bless"]), 0, &["blessed c", "1 case: 1 blessed"]);
    assert_eq!(folder.read("c/expected.jsonl"), "{\"_line\": 1, \"id\": 1, \"mark\": 0}\n");
    check(&folder.test("mark", &["--bless"]), 0, &["1 case: 1 passed"]);
    folder.write("wrong/input.jsonl", MESSAGES);
    check(&folder.test("mark", &["--bless", "--case", "wrong"]), 0, &["blessed wrong"]);
    let error = folder.read("wrong/error.txt");
    assert!(
        error.starts_with("the plugin cannot run on stream `input`: it reads column `id` as int64"),
        "{error}"
    );
    check(&folder.test("mark", &[]), 0, &["2 cases: 2 passed"]);
}

#[test]
fn what_is_wrong_with_a_case_is_said_with_its_place() {
    let wrong = |file: &str, text: &str, texts: &[&str]| {
        let folder = Folder::new(&[("c/input.jsonl", MESSAGES), ("c/expected.jsonl", NUMBERED)]);
        folder.write(file, text);
        check(&folder.test("forgetful", &["--cuts", "0"]), 2, texts);
    };
    wrong(
        "c/expected.jsonl",
        "{\"id\":\"a\"}\n{\"id\":\n",
        &["expected.jsonl:2: not a JSON object on one line"],
    );
    wrong("c/expected.jsonl", "\u{feff}{}\n", &["expected.jsonl:1: begins with a byte order mark"]);
    wrong("c/expected.jsonl", "{\"_lines\":1}\n", &["expected.jsonl:1: `_lines` is no column and no key"]);
    wrong("c/config.toml", "\nconfg = {}\n", &["c/config.toml:2:1: `confg`: unknown field `confg`"]);
    wrong(
        "config.toml",
        "[schema]\nid = \"text\"\n",
        &["cases/config.toml:2:6: `schema.id`: unknown variant `text`"],
    );
    wrong("c/config.toml", "received = \"soon\"\n", &["`received`: `soon` is not an instant such as"]);
    wrong("c/config.toml", "key = \"a\"\nkey_hex = \"61\"\n", &["`key_hex`: `key` says the key already"]);
    wrong(
        "c/config.toml",
        "key_hex = \"6\"\n",
        &["c/config.toml:1:1: `key_hex`: `6` is not hexadecimal digits"],
    );
    wrong(
        "c/input.jsonl",
        "{\"_key\": 5, \"id\": 1}\n",
        &["input.jsonl:1: `_key` is no text; expected the key of"],
    );
    wrong("c/error.txt", "no\n", &["has expected.jsonl and error.txt"]);
    wrong("c/input.jsonl", "\n", &["input.jsonl has no messages"]);
    wrong("d/expected.jsonl", "", &["d/input.jsonl is not there: write the messages of this case into it"]);
    let folder = Folder::new(&[("c/input.jsonl", MESSAGES), ("c/expected.jsonl", NUMBERED)]);
    check(
        &folder.test("mark", &[]),
        2,
        &["it reads column `id` as int64", "delete its expected.jsonl and run with --bless"],
    );
    check(&folder.test("mark", &["--case", "x"]), 2, &["no case has `x` in its name; there are c"]);
    check(&Folder::new(&[]).test("mark", &[]), 2, &["cases is not there: make a folder for each case in it"]);
}

#[test]
fn a_message_that_is_none_is_an_outcome() {
    let input = "{\"id\":\"a\"}\n\nnot JSON\n";
    let expected = "{\"_line\":1,\"id\":\"a\",\"number\":1}\n{\"_line\":3,\"_undecoded\":\"no\"}\n";
    let folder = Folder::new(&[("c/input.jsonl", input), ("c/expected.jsonl", expected)]);
    let shown = ["line 3  not JSON", "expected  not decoded: no", "found     not decoded: malformed JSON"];
    check(&folder.test("forgetful", &["--cuts", "0"]), 1, &shown);
}

#[test]
fn dead_letters_become_cases() {
    let workspace = Workspace::files();
    let messages = seeds("us-route", "vehicle_data");
    let good = messages.lines().next().unwrap();
    let speed = good.replacen("\"speed\": ", "\"speed\": -", 1);
    let fast = good.replacen("\"speed\": ", "\"speed\": 9", 1);
    // As lines of input.jsonl these would move the watermark and say a key: they once ended the verb, and were tested
    // without the key.
    let (moving, keyed) = ("{\"_watermark\": 1}", speed.replacen('{', "{\"_key\": \"z\", ", 1));
    let lines =
        [good, moving, &keyed, &speed, &fast, &fast, "not JSON"].map(|line| format!("{line}\n")).concat();
    workspace.write("messages/vehicle_data/0.jsonl", lines);
    workspace.catch_up();
    let test = |args: &[&str]| {
        let fixed = ["plugin", "test", "vehicle", "--wasm", "plugins/cleanse-vehicle.wasm"];
        let cache = workspace.path("cache");
        workspace
            .millstream(&[&fixed[..], args].concat())
            .env("MILLSTREAM_CACHE", cache.to_str().unwrap())
            .run()
    };
    let negative = "cleanse-speed-is-negative-1";
    let shown =
        [negative, "now {\"_line\": 1, \"_rejected\": \"`speed` is negative\"}", "3 cases: they expect"];
    let made = test(&["--from-dead-letters"]);
    check(&made, 0, &shown);
    assert!(made.stderr.contains("became no cases"), "{}", made.stderr);
    let read = |file: &str| std::fs::read_to_string(workspace.path(file)).unwrap();
    assert_eq!(read(&format!("vehicle/cases/{negative}/input.jsonl")), format!("{speed}\n"));
    assert!(read(&format!("vehicle/cases/{negative}/config.toml")).contains("zone = \"Europe/London\""));
    // What somebody corrected is left alone.
    let corrected = format!("vehicle/cases/{negative}/expected.jsonl");
    workspace.write(&corrected, "{\"_line\": 1, \"_rejected\": \"too slow\"}\n");
    check(&test(&["--from-dead-letters"]), 0, &["no dead letter became a case"]);
    check(&test(&["--cuts", "0"]), 1, &["expected  rejected: too slow", "3 cases: 2 passed, 1 failed"]);
    check(&test(&["--from-dead-letters", "--step", "vehicle/other"]), 2, &["has no step vehicle/other"]);
}
