//! Tests one plugin after another in one engine, which keeps what it compiled in the user's cache folder.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use millstream_engine::Engine;
use millstream_testkit::{CaseError, CaseFolder, Cuts, Found, Plugin, Verdict, case_folders, report};
use serde_json::json;

use crate::exit::Told;
use crate::{args, out};

/// An engine for tests.
pub struct Session {
    engine: Engine,
}

/// How many cases came to what.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    passed: usize,
    blessed: usize,
    failed: usize,
    unusable: usize,
}

impl Session {
    pub fn new() -> anyhow::Result<Self> {
        // A folder that others can write to is no place for code, and tests go without.
        let engine = millstream_testkit::engine(compiled_folder());
        Ok(Self { engine: engine.or_else(|_| millstream_testkit::engine(None))? })
    }

    /// The plugin in `wasm`, with the file beside it or in the plugin's folder.
    pub fn load(&self, under: &args::PluginUnderTest, wasm: &Path) -> Result<Plugin, CaseError> {
        let beside = wasm.with_extension("toml");
        let in_folder = beside.file_name().map(|name| under.folder.join(name));
        let settings = in_folder.filter(|file| file.is_file()).unwrap_or(beside);
        Plugin::load_in(&self.engine, wasm, &settings)
    }

    /// Runs the cases that the command line asks for, and prints what became of each.
    pub fn test(&self, args: &args::Test, wasm: &Path) -> anyhow::Result<Tally> {
        let folders = chosen(args)?;
        let plugin = self.load(&args.plugin, wasm)?;
        let usual = Cuts::default();
        let cuts = Cuts {
            times: args.cuts.unwrap_or(usual.times),
            seed: args.seed.unwrap_or(usual.seed),
            within: usual.within.filter(|_| args.cuts.is_none()),
        };
        let mut tally = Tally::default();
        for folder in &folders {
            match tested(&plugin, folder, cuts, args.bless) {
                Ok((verdict, blessed)) => tally.judged(&verdict, blessed, args.json)?,
                Err(error) => tally.unusable(folder, &error, args.json)?,
            }
        }
        if !args.json {
            out::line(tally.summary(cuts))?;
        }
        Ok(tally)
    }
}

/// The cases whose name contains what the command line says.
fn chosen(args: &args::Test) -> Result<Vec<CaseFolder>, anyhow::Error> {
    let cases = super::cases(&args.plugin);
    let mut folders = case_folders(&cases)?;
    if let Some(filter) = &args.filter {
        let names: Vec<_> = folders.iter().map(|folder| folder.name().to_owned()).collect();
        folders.retain(|folder| folder.name().contains(filter.as_str()));
        if folders.is_empty() {
            return Err(CaseError::NoSuchCase { filter: filter.clone(), names }.into());
        }
    }
    Ok(folders)
}

/// Tests one case; the second is true if what came out was written as what is expected.
fn tested(
    plugin: &Plugin,
    folder: &CaseFolder,
    cuts: Cuts,
    bless: bool,
) -> Result<(Verdict, bool), CaseError> {
    let verdict = plugin.test_folder(folder, cuts)?;
    if !bless {
        return match verdict.has_expectation {
            true => Ok((verdict, false)),
            false => Err(CaseError::NoExpectation(folder.path().join("expected.jsonl"))),
        };
    }
    if verdict.cut.is_some() {
        return Ok((verdict, false));
    }
    let blessed = match &verdict.found {
        Found::Rows(outcomes) => folder.bless(outcomes)?,
        Found::Error(error) => folder.bless_error(error)?,
    };
    Ok((verdict, blessed))
}

impl Tally {
    fn judged(&mut self, verdict: &Verdict, blessed: bool, json: bool) -> anyhow::Result<()> {
        let is_blessed =
            blessed || (!verdict.is_passed() && verdict.cut.is_none() && !verdict.has_expectation);
        let count = match () {
            () if is_blessed => &mut self.blessed,
            () if verdict.is_passed() => &mut self.passed,
            () => &mut self.failed,
        };
        *count += 1;
        if json {
            let mut object = verdict.json();
            object["blessed"] = is_blessed.into();
            object["passed"] = (is_blessed || verdict.is_passed()).into();
            return out::line(object);
        }
        match is_blessed {
            true => {
                out::line(format_args!("blessed {}: read what is expected before you keep it", verdict.case))
            }
            false => {
                if let left_out @ 1.. = verdict.cuts_left_out {
                    let case = &verdict.case;
                    // Nobody reads it: no reason to end.
                    let _ = writeln!(
                        std::io::stderr(),
                        "case {case}: {left_out} random cuts are left out, for they take long; --cuts N does them all"
                    );
                }
                out::text(report(verdict, super::colours()))
            }
        }
    }

    fn unusable(&mut self, folder: &CaseFolder, error: &CaseError, json: bool) -> anyhow::Result<()> {
        self.unusable += 1;
        match json {
            true => {
                out::line(json!({ "case": folder.name(), "passed": false, "unusable": error.to_string() }))
            }
            false => out::line(format_args!("case {}\n  {error}", folder.name())),
        }
    }

    fn summary(self, cuts: Cuts) -> String {
        let Self { passed, blessed, failed, unusable } = self;
        let all = passed + blessed + failed + unusable;
        let counted = |count: usize, what| (count > 0).then(|| format!("{count} {what}"));
        let parts = [
            counted(passed, "passed"),
            counted(blessed, "blessed"),
            counted(failed, "failed"),
            counted(unusable, "cannot be used"),
        ];
        let parts = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let cases = if all == 1 { "1 case".to_owned() } else { format!("{all} cases") };
        match cuts.times {
            0 => format!("{cases}: {parts}"),
            times => format!("{cases}: {parts} (each whole and in {times} random cuts, seed {})", cuts.seed),
        }
    }

    /// What the process ends with.
    pub fn told(self) -> anyhow::Result<()> {
        match self {
            Self { unusable: 1.., .. } => Err(Told::Unusable.into()),
            Self { failed: 1.., .. } => Err(Told::Failed.into()),
            _ => Ok(()),
        }
    }
}

/// Where compiled plugins are kept from test to test, if the user has a place for such.
fn compiled_folder() -> Option<PathBuf> {
    let cache = millstream_toolchain::cache_folder().ok()?;
    std::fs::create_dir_all(&cache).ok()?;
    Some(cache.join("compiled"))
}
