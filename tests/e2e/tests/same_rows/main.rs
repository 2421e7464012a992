//! Four languages, one outcome: a plugin that writes back what it reads, as a function of rows in each of them, is given the
//! same generated batches. What comes back is bit for bit what went in, but for the rows that it rejects or drops.

mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow::array::{Array as _, AsArray as _, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int32Type;
use millstream_engine::{Engine, EngineSettings, Grants, InputSpec, Limits, Step, StepOutput};
use millstream_tests::{Command, Random, Workspace};

use crate::table::{Nulls, table};

/// A build may install the tools of its language first.
const BUILD: Duration = Duration::from_secs(900);
const SEED: u64 = 0x6d69_6c6c;
/// Bitmaps end within a byte, at its end, and behind the blocks that the SDKs work in.
const SIZES: [usize; 9] = [1, 2, 7, 8, 9, 63, 64, 65, 700];

/// The language, the file that its template has the plugin in, and the plugin.
const LANGUAGES: [(&str, &str, &str); 4] = [
    ("rust", "src/lib.rs", include_str!("plugin.rs")),
    ("python", "plugin.py", include_str!("plugin.py")),
    ("javascript", "plugin.js", include_str!("plugin.js")),
    ("c", "plugin.c", include_str!("plugin.c")),
];

fn millstream(folder: &Path, args: &[&str]) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("authors/target");
    let command =
        Command::millstream(args).in_folder(folder).env("CARGO_TARGET_DIR", target.to_str().unwrap());
    let output = command.start().finish_within(BUILD);
    assert_eq!(output.code, Some(0), "{args:?}: {}", output.stderr);
}

fn built(workspace: &Workspace, language: &str, file: &str, source: &str) -> PathBuf {
    let (folder, name) = (workspace.path("."), format!("same-{language}"));
    millstream(&folder, &["plugin", "new", &name, "--lang", language]);
    std::fs::write(folder.join(&name).join(file), source).unwrap();
    millstream(&folder, &["plugin", "build", &name]);
    folder.join(&name).join(format!("{name}.wasm"))
}

fn configured(engine: &Engine, wasm: &Path) -> Step {
    let input = InputSpec::new("s", table(&mut Random::of(SEED, 0), 1, Nulls::Some).schema());
    let limits = Limits { deadline: Duration::from_secs(60), memory_bytes: 256 << 20, ..Limits::default() };
    let plugin = engine.load(wasm).unwrap_or_else(|error| panic!("{}: {error}", wasm.display()));
    plugin.configure(&serde_json::json!({}), &input, limits, &Grants::default()).unwrap()
}

/// The batches of every size and kind, and each a second time without its first rows, as it lies in the middle of another.
fn batches() -> Vec<RecordBatch> {
    let mut batches = vec![table(&mut Random::of(SEED, 1), 0, Nulls::None)];
    for (round, rows) in SIZES.into_iter().enumerate() {
        for nulls in [Nulls::None, Nulls::Some, Nulls::All] {
            let whole = table(&mut Random::of(SEED, round as u64), rows, nulls);
            let begin = rows.min(3);
            batches.extend([whole.slice(begin, rows - begin), whole]);
        }
    }
    batches
}

#[track_caller]
fn check(language: &str, output: &StepOutput, given: &RecordBatch) {
    let verdicts = given.column_by_name("verdict").unwrap().as_primitive::<Int32Type>();
    let kept: BooleanArray = verdicts.values().iter().map(|verdict| Some(*verdict == 0)).collect();
    let expect = filter_record_batch(given, &kept).unwrap();
    let count = |verdict| verdicts.values().iter().filter(|found| **found == verdict).count();
    assert_eq!(
        (output.rejected.len(), output.dropped.len()),
        (count(1), count(2)),
        "{language}: {:?}",
        output.rejected
    );
    assert!(
        output.rejected.iter().all(|row| &*row.reason == "turned away"),
        "{language}: {:?}",
        output.rejected
    );
    for (field, expect) in expect.schema().fields().iter().zip(expect.columns()) {
        let found = output.passed.column_by_name(field.name()).unwrap();
        assert_eq!(found.len(), expect.len(), "{language}: {}", field.name());
        let row = (0..found.len()).find(|row| found.slice(*row, 1) != expect.slice(*row, 1));
        let told = row.map(|row| (found.slice(row, 1), expect.slice(row, 1)));
        assert!(told.is_none(), "{language}: column `{}`, found and expected: {told:?}", field.name());
    }
}

#[test]
fn what_comes_back_is_what_went_in_in_every_language() {
    let workspace = Workspace::files();
    let cache_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("same_rows"));
    let engine = Engine::new(EngineSettings { cache_dir, ..EngineSettings::default() }).unwrap();
    let batches = batches();
    for (language, file, source) in LANGUAGES {
        let step = configured(&engine, &built(&workspace, language, file, source));
        let mut instance = step.instance();
        for given in &batches {
            check(language, &instance.process(given), given);
        }
    }
}
