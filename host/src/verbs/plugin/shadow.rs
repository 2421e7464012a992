//! `millstream plugin shadow`: hands a candidate to a process, shows on standard error how far its shadow is, and
//! prints what it found. The shadow goes on if this is ended; it is bounded by itself.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use millstream_http::admin::model::Shadow;
use millstream_pipeline::shadow::SideReport;

use crate::client::{AdminClient, Candidate};
use crate::exit::Told;
use crate::units::count;
use crate::{args, out};

/// Time between two looks at the shadow.
const INTERVAL: Duration = Duration::from_millis(500);

/// Runs a shadow to its end.
pub async fn shadow(args: args::Shadow) -> anyhow::Result<()> {
    let client = AdminClient::new(&args.step.admin)?;
    let step = client.step(&args.step.step).await?;
    let candidate = match (&args.file, args.digest) {
        (Some(file), _) => {
            Candidate::Bytes(std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?)
        }
        (None, digest) => Candidate::Digest(digest.unwrap_or_default()),
    };
    let extent = match (args.time, args.last) {
        (Some(time), _) => ("for", format!("{}ms", time.as_millis())),
        (None, last) => ("last", last.unwrap_or_default().to_string()),
    };
    let begun = client.shadow(&step, candidate, extent).await?;
    let shadow = watch(&client, begun).await?;
    if args.step.admin.json {
        out::line(serde_json::to_string(&shadow)?)?;
    } else {
        out::text(text(&shadow))?;
    }
    match &shadow.error {
        Some(error) => bail!("the shadow did not come to its end: {error}"),
        None if args.fail_on_difference && shadow.report.rows_different > 0 => Err(Told::Different.into()),
        None => Ok(()),
    }
}

/// Looks until the shadow is over.
async fn watch(client: &AdminClient, mut shadow: Shadow) -> anyhow::Result<Shadow> {
    let terminal = std::io::stderr().is_terminal();
    let (begin, end) = if terminal { ("\r\x1b[2K", "") } else { ("", "\n") };
    while !shadow.done {
        let (rows, different) = (count(shadow.report.rows), count(shadow.report.rows_different));
        // A standard error that is closed is no reason to stop.
        let _ =
            write!(std::io::stderr(), "{begin}shadow {}: {rows} rows, {different} different{end}", shadow.id);
        tokio::time::sleep(INTERVAL).await;
        shadow = client.shadow_status(shadow.id).await?;
    }
    if terminal {
        let _ = write!(std::io::stderr(), "{begin}");
    }
    Ok(shadow)
}

fn text(shadow: &Shadow) -> String {
    let (step, digest) = (format!("{}/{}", shadow.stream, shadow.step), shadow.digest.short());
    format!("{}to run it: millstream plugin promote --step {step} --digest {digest}\n", report(shadow))
}

fn report(shadow: &Shadow) -> String {
    let report = &shadow.report;
    let cost = |side: &SideReport| {
        let rejected = count(side.rejected.values().sum());
        let micros =
            side.micros_per_row(report.rows).map_or("–".to_owned(), |micros| format!("{micros:.2}"));
        format!(
            "passed {}  dropped {}  emitted {}  rejected {rejected}  {} bytes  {micros} µs/row",
            count(side.passed),
            count(side.dropped),
            count(side.emitted),
            count(side.bytes)
        )
    };
    let (rows, different) = (count(report.rows), count(report.rows_different));
    let mut text = format!(
        "{rows} rows, {different} different\n  live       {}\n  candidate  {}\n",
        cost(&report.live),
        cost(&report.candidate)
    );
    for (kind, rows) in &report.differences {
        text += &format!("  {} rows: {kind}\n", count(*rows));
    }
    text
}
