//! Lakes that older versions made (`tests/golden/lake-format-1` and `-2`, by their code): they can be read, a
//! run writes nothing to them until their format is raised, and then goes on where the older version stopped.

use std::path::Path;

use millstream_tests::{Command, Output, duckdb, repository, seeds};
use serde_json::json;

/// A copy of the lake, its messages and its configuration.
struct OldLake {
    folder: tempfile::TempDir,
}

impl OldLake {
    fn of_format(format: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&repository().join(format!("tests/golden/lake-format-{format}")), folder.path());
        Self { folder }
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::millstream(args).in_folder(self.folder.path()).run()
    }

    #[track_caller]
    fn succeed(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.code, Some(0), "{args:?}: {}", output.stderr);
        output.stdout
    }

    fn entries(&self) -> usize {
        self.succeed(&["log", "show"]).lines().count()
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
    }
}

/// Six messages of seven passed in the lake of format 1; the one of format 2 had the same, of which two were
/// replayed, after its files had been merged and its log had been cut.
#[test]
fn is_read_and_raised_when_that_is_asked() {
    check(1, 6);
    check(2, 14);
}

fn check(format: u32, entries: usize) {
    let lake = OldLake::of_format(format);
    assert!(lake.succeed(&["tables", "list"]).contains("raw.vehicle"));
    assert!(lake.succeed(&["log", "verify", "--deep"]).contains("0 problems"));
    for args in [&["run", "--until-caught-up"][..], &["tables", "clean", "--close", "worker-0", "--yes"]] {
        let output = lake.run(args);
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        assert!(output.stderr.contains(&format!("of format {format}")), "{}", output.stderr);
        assert!(output.stderr.contains("millstream log upgrade"), "{}", output.stderr);
    }
    assert!(lake.succeed(&["log", "upgrade"]).contains("--yes raises it to format 3"));
    assert_eq!(lake.entries(), entries, "something was written before it was asked");

    assert!(lake.succeed(&["log", "upgrade", "--yes"]).contains("is of format 3"));
    assert!(lake.succeed(&["log", "upgrade", "--yes"]).contains("nothing to do"));
    assert!(lake.entries() > entries, "entries of the old format are kept");
    let messages = seeds("us-route", "vehicle_data");
    let next = messages.lines().nth(10).unwrap();
    let path = lake.folder.path().join("messages/vehicle_data/0.jsonl");
    let grown = std::fs::read_to_string(&path).unwrap() + next + "\n";
    std::fs::write(path, grown).unwrap();
    lake.succeed(&["run", "--until-caught-up"]);
    assert!(lake.succeed(&["log", "verify", "--deep"]).contains("0 problems"));

    for (table, rows) in [("raw.vehicle", 8), ("curated.vehicle", 6), ("dead_letters", 2)] {
        let files = lake.succeed(&["tables", "files", table]);
        let files: Vec<_> = files.lines().map(str::to_owned).collect();
        let counts = duckdb(&files, "select count(*), count(distinct (_partition, _offset)) from t");
        assert_eq!(counts, json!([[rows, rows]]), "{table}");
    }
}

#[test]
fn is_backed_up_and_restored_as_it_is() {
    let lake = OldLake::of_format(1);
    lake.succeed(&["backup", "--to", "copy"]);
    lake.succeed(&["restore", "--from", "copy", "--lake", "other"]);
    lake.succeed(&["log", "upgrade", "--yes", "--lake", "other"]);
    lake.succeed(&["run", "--until-caught-up", "--lake", "other"]);
    assert!(lake.succeed(&["log", "verify", "--deep", "--lake", "other"]).contains("0 problems"));
    assert_eq!(lake.succeed(&["tables", "list", "--lake", "other"]), lake.succeed(&["tables", "list"]));
}
