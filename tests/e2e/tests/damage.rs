//! A lake that is damaged, as a user meets it: what stops says where and what to do, nothing is written
//! behind it, and when the damage is undone nothing is lost.

use std::collections::BTreeMap;
use std::path::PathBuf;

use millstream_tests::{Output, Workspace, duckdb, seeds};
use serde_json::json;

/// A lake of two runs, with more messages waiting for a third.
struct Damaged {
    workspace: Workspace,
}

impl Damaged {
    /// With `log`, the keys of section `[log]`.
    fn new(log: &str) -> Self {
        let workspace = Workspace::files();
        workspace.configure("[worker]", &format!("[log]\n{log}\n\n[worker]"));
        let this = Self { workspace };
        for lines in [0..2, 2..4] {
            this.feed(lines);
            this.workspace.catch_up();
        }
        this.feed(4..6);
        this
    }

    fn feed(&self, lines: std::ops::Range<usize>) {
        let messages = seeds("us-route", "vehicle_data");
        let lines: Vec<_> = messages.lines().skip(lines.start).take(lines.len()).collect();
        self.workspace.append("messages/vehicle_data/0.jsonl", &format!("{}\n", lines.join("\n")));
    }

    fn object(&self, folder: &str, sequence: u64) -> PathBuf {
        self.workspace.path(&format!("lake/_millstream/log/{folder}/{sequence:020}.json"))
    }

    /// Numbers of the objects in a folder of the log.
    fn numbers(&self, folder: &str) -> Vec<u64> {
        // There is no folder before the first snapshot.
        let files = std::fs::read_dir(self.workspace.path("lake/_millstream/log").join(folder));
        let names = files.into_iter().flatten().map(|file| file.expect("a file").file_name());
        let number = |name: std::ffi::OsString| name.to_str()?.strip_suffix(".json")?.parse().ok();
        let mut numbers: Vec<_> = names.filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The log, object by object.
    fn log(&self) -> BTreeMap<String, Vec<u8>> {
        let mut objects = BTreeMap::new();
        for folder in ["entries", "snapshots"] {
            for number in self.numbers(folder) {
                let bytes = std::fs::read(self.object(folder, number)).expect("an object");
                objects.insert(format!("{folder}/{number}"), bytes);
            }
        }
        objects
    }

    #[track_caller]
    fn fails(&self, args: &[&str], words: &[&str]) -> Output {
        let output = self.workspace.millstream(args).run();
        let said = format!("{}{}", output.stdout, output.stderr);
        assert_eq!(output.code, Some(1), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{args:?}: `{word}` is not in:\n{said}");
        }
        output
    }

    /// A run and a look at the tables stop with `said`, verification with `verified`; nothing is written.
    #[track_caller]
    fn stops(&self, said: &[&str], verified: &[&str]) {
        let before = self.log();
        self.fails(&["run", "--until-caught-up"], said);
        self.fails(&["tables", "list"], said);
        self.fails(&["log", "verify"], verified);
        assert_eq!(self.log(), before, "something was written to a damaged log");
    }

    /// A run goes on, and every message is there once.
    #[track_caller]
    fn is_whole(&self) {
        self.workspace.catch_up();
        self.workspace.millstream(&["log", "verify", "--deep"]).succeed();
        let rows = duckdb(
            &self.workspace.files_of("raw.vehicle"),
            "select count(*), count(distinct _offset) from t",
        );
        assert_eq!(rows, json!([[6, 6]]));
    }
}

/// What a test of the log's damage does to an object, and undoes.
fn damage(path: PathBuf, change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) -> impl FnOnce() {
    let before = std::fs::read(&path).expect("an object of the log");
    match change(before.clone()) {
        Some(bytes) => std::fs::write(&path, bytes).expect("an object of the log"),
        None => std::fs::remove_file(&path).expect("an object of the log"),
    }
    move || std::fs::write(path, before).expect("an object of the log")
}

#[test]
fn an_entry_that_was_altered() {
    let lake = Damaged::new("");
    let undo = damage(lake.object("entries", 3), |bytes| {
        Some(String::from_utf8(bytes).expect("JSON").replacen("\"nonce\":", "\"nonce\":1", 1).into_bytes())
    });
    lake.stops(&["entry 4", "continues another history"], &["entry 4", "millstream restore"]);
    undo();
    lake.is_whole();
}

#[test]
fn an_entry_that_was_cut() {
    let lake = Damaged::new("");
    let undo = damage(lake.object("entries", 3), |bytes| Some(bytes[..bytes.len() / 2].to_vec()));
    lake.stops(&["entry 3", "not a checkpoint record"], &["entry 3", "00000000000000000003.json"]);
    undo();
    lake.is_whole();
}

#[test]
fn an_entry_that_is_missing() {
    let lake = Damaged::new("");
    let undo = damage(lake.object("entries", 3), |_| None);
    lake.stops(&["entry 3", "is missing", "00000000000000000003.json"], &["entry 3 is missing"]);
    undo();
    lake.is_whole();
}

#[test]
fn a_snapshot_that_was_altered() {
    let lake = Damaged::new("snapshot_every = 4\nkeep_entries = 0");
    let snapshot = lake.numbers("snapshots").pop().expect("a snapshot");
    let named = format!("snapshot {snapshot}");
    let undo = damage(lake.object("snapshots", snapshot), |bytes| Some(bytes[1..].to_vec()));
    lake.stops(&[&named, "cannot be used"], &[&named, "cannot be used", "millstream restore"]);
    undo();
    lake.is_whole();
}

#[test]
fn a_snapshot_that_is_missing() {
    let lake = Damaged::new("snapshot_every = 4\nkeep_entries = 0");
    let snapshot = lake.numbers("snapshots").pop().expect("a snapshot");
    let undo = damage(lake.object("snapshots", snapshot), |_| None);
    lake.stops(&["entry 1", "is missing", "snapshot"], &["entry 1 is missing"]);
    undo();
    lake.is_whole();
}

/// A snapshot whose entries are all there is not needed.
#[test]
fn a_snapshot_that_can_be_folded_again() {
    let lake = Damaged::new("snapshot_every = 4");
    let snapshot = lake.numbers("snapshots").pop().expect("a snapshot");
    let path = lake.object("snapshots", snapshot);
    drop(damage(path.clone(), |bytes| Some(bytes[1..].to_vec())));
    lake.stops(&["cannot be used"], &["delete it: the entries that it stands for are all there"]);
    std::fs::remove_file(path).expect("the snapshot");
    lake.is_whole();
}

/// A file that is gone costs its rows until it is put back; new messages are committed all the same.
#[test]
fn a_live_file_that_is_gone() {
    let lake = Damaged::new("");
    for file in lake.workspace.files_of("raw.vehicle") {
        let undo = damage(file.clone().into(), |_| None);
        lake.fails(
            &["log", "verify"],
            &[&file, "a live file of raw.vehicle, named by entry", "2 rows is missing"],
        );
        lake.fails(&["tables", "show", "raw.vehicle"], &[file.rsplit('/').next().expect("a name")]);
        undo();
    }
    let files = lake.workspace.files_of("raw.vehicle");
    let undo: Vec<_> = files.iter().map(|file| damage(file.into(), |_| None)).collect();
    let output = lake.workspace.millstream(&["run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stderr.contains("a live file of the table is gone"), "{}", output.stderr);
    undo.into_iter().for_each(|undo| undo());
    lake.is_whole();
}

#[test]
fn a_live_file_that_was_altered() {
    let lake = Damaged::new("");
    let file = lake.workspace.files_of("curated.vehicle").remove(0);
    let undo = damage(file.clone().into(), |mut bytes| {
        bytes.push(0);
        Some(bytes)
    });
    lake.fails(&["log", "verify"], &[&file, "bytes and had"]);
    undo();
    // As long as before, so only a look inside tells.
    let undo = damage(file.clone().into(), |bytes| Some(vec![0; bytes.len()]));
    lake.workspace.millstream(&["log", "verify"]).succeed();
    lake.fails(&["log", "verify", "--deep"], &[&file, "damaged"]);
    undo();
    lake.is_whole();
}

#[test]
fn a_plugin_that_is_gone() {
    let lake = Damaged::new("");
    let folder =
        std::fs::read_dir(lake.workspace.path("lake/_millstream/plugins")).expect("plugins are kept");
    let plugin = folder.map(|file| file.expect("a file").path()).next().expect("a plugin");
    let undo = damage(plugin.clone(), |_| None);
    lake.fails(&["log", "verify"], &["the plugin that step vehicle/", "missing"]);
    undo();
    drop(damage(plugin, |bytes| Some(bytes[1..].to_vec())));
    lake.fails(&["log", "verify"], &["bytes are not those that its name says"]);
}

#[test]
fn a_lake_of_a_newer_version() {
    let lake = Damaged::new("");
    let newer = lake.numbers("entries").pop().expect("an entry") + 1;
    let path = lake.object("entries", newer);
    std::fs::write(&path, format!("{{\"format\":4,\"sequence\":{newer},\"to_be\":\"invented\"}}\n"))
        .expect("a file");
    let before = lake.log();
    for args in [
        &["run", "--until-caught-up"][..],
        &["tables", "list"],
        &["tables", "files", "raw.vehicle"],
        &["tables", "clean", "--yes"],
        &["dead-letters", "list"],
        &["log", "show"],
        &["log", "verify"],
        &["log", "upgrade", "--yes"],
        &["backup", "--to", "backup"],
        &["restore", "--from", "lake", "--lake", "elsewhere"],
    ] {
        lake.fails(args, &["written by a newer millstream, format 4"]);
    }
    assert_eq!(lake.log(), before);
    std::fs::remove_file(path).expect("the entry");
    lake.is_whole();
}
