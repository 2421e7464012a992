//! `millstream log verify`: whether a lake is what its log says; each finding on a line of its own.

use anyhow::bail;
use millstream_pipeline::lake::Lake;
use millstream_pipeline::upkeep::Finding;
use millstream_pipeline::upkeep::verify::{self, Observed, Verified};
use serde_json::json;

use crate::args;
use crate::out;
use crate::ticker::Ticker;
use crate::units::{bytes, count};

/// Verifies; an error if something is wrong.
pub async fn verify(args: &args::Verify) -> anyhow::Result<()> {
    let lake = super::open_lake(&args.lake).await?;
    let verified = look(&lake, args.deep, args.lake.json).await?;
    if verified.head == 0 && verified.problems == 0 {
        bail!("there is no checkpoint log in {}: nothing was ever committed there", lake.url());
    }
    summarise(&verified, args)?;
    match verified.problems {
        0 => Ok(()),
        problems => bail!("{} is not as its log says: {problems} problems", lake.url()),
    }
}

/// Verifies and shows what is found.
pub async fn look(lake: &Lake, deep: bool, json: bool) -> anyhow::Result<Verified> {
    let mut ticker = Ticker::new();
    let mut unheard = Ok(());
    let mut observe = |observed: Observed| match observed {
        Observed::Done(done) => ticker.show(done),
        Observed::Found(finding) if unheard.is_ok() => unheard = show(&finding, json),
        Observed::Found(_) => {}
    };
    let verified = verify::verify(lake, deep, &mut observe).await?;
    unheard?;
    Ok(verified)
}

fn show(finding: &Finding, json: bool) -> anyhow::Result<()> {
    if json {
        return out::line(json!({
            "kind": finding.kind(), "problem": finding.is_problem(), "place": finding.place(),
            "entry": finding.sequence(), "text": finding.to_string(),
        }));
    }
    let grade = if finding.is_problem() { "problem" } else { "note" };
    out::line(format_args!("{grade}: {finding}"))
}

fn summarise(verified: &Verified, args: &args::Verify) -> anyhow::Result<()> {
    let Verified { head, entries, snapshots, files, bytes: size, rows, plugins, problems } = *verified;
    if args.lake.json {
        return out::line(json!({ "summary": {
            "head": head, "entries": entries, "snapshots": snapshots, "files": files, "bytes": size, "rows": rows,
            "plugins": plugins, "problems": problems, "deep": args.deep,
        }}));
    }
    out::line(format_args!(
        "log up to entry {head}: {} entries and {} snapshots read; {} files with {} rows and {}, {} plugins in place; \
         {} problems",
        count(entries),
        count(snapshots),
        count(files),
        count(rows),
        bytes(size),
        count(plugins),
        count(problems)
    ))
}
