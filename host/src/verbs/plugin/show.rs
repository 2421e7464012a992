//! `millstream plugin show`: one step, and the versions that it ran.

use std::fmt::Write as _;

use millstream_http::admin::model::{Step, Version};
use millstream_model::entry::ChangeCause;

use crate::candidate::about;
use crate::client::AdminClient;
use crate::units::{count, moment};
use crate::{args, out};

/// Prints the step.
pub async fn show(args: &args::OneStep) -> anyhow::Result<()> {
    let step = AdminClient::new(&args.admin)?.step(&args.step).await?;
    if args.admin.json {
        return out::line(serde_json::to_string(&step)?);
    }
    out::text(text(&step))
}

fn text(step: &Step) -> String {
    let mut text = format!(
        "step {}/{}\n  plugin    {} {}\n  digest    {}\n",
        step.stream, step.step, step.plugin, step.version, step.digest
    );
    if let Some(since) = &step.since {
        line(&mut text, "config", &since.config.to_string());
        line(&mut text, "since", &began(since));
    }
    let did =
        [("rows", step.rows), ("passed", step.passed), ("dropped", step.dropped), ("emitted", step.emitted)];
    did.iter().for_each(|(what, rows)| line(&mut text, what, &count(*rows)));
    let rejected = step.rejected.iter().map(|(cause, rows)| format!("{} {cause}", count(*rows)));
    let rejected = rejected.collect::<Vec<_>>().join(", ");
    line(&mut text, "rejected", if rejected.is_empty() { "0" } else { &rejected });
    step.micros_per_row.iter().for_each(|micros| line(&mut text, "µs/row", &format!("{micros:.2}")));
    step.circuit.iter().for_each(|reason| line(&mut text, "circuit", &format!("open: {reason}")));
    let paused = step.paused.iter();
    paused
        .for_each(|pause| line(&mut text, "paused", &format!("{} (entry {})", pause.reason, pause.sequence)));
    step.candidate.iter().for_each(|candidate| text.push_str(&format!("  {}\n", about(candidate))));
    if !step.history.is_empty() {
        text.push_str("versions, the latest first\n");
    }
    step.history.iter().for_each(|version| text.push_str(&history(version)));
    text
}

fn line(text: &mut String, what: &str, value: &str) {
    writeln!(text, "  {what:<9} {value}").expect("a string takes any text");
}

fn history(version: &Version) -> String {
    let name = [version.name.as_deref(), version.version.as_deref()].into_iter().flatten();
    let cause = version.cause.map_or("", |cause| match cause {
        ChangeCause::Started => "started with",
        ChangeCause::DroppedIn => "dropped in",
        ChangeCause::Configured => "configured",
        ChangeCause::Promoted => "promoted",
        ChangeCause::RolledBack => "rolled back to",
        ChangeCause::CircuitOpened => "after an open circuit",
    });
    let words = [name.collect::<Vec<_>>().join(" "), cause.to_owned(), began(version)];
    let words: Vec<_> = words.into_iter().filter(|words| !words.is_empty()).collect();
    format!("  {}  {}\n", version.digest.short(), words.join("  "))
}

/// Entry, time and offsets from which on a version made rows.
fn began(version: &Version) -> String {
    let from = version.from.iter().map(|(partition, offset)| format!("{partition}@{offset}"));
    let from = from.collect::<Vec<_>>().join(" ");
    let from = if from.is_empty() { String::new() } else { format!(", from {from}") };
    format!("entry {} at {}{from}", version.sequence, moment(version.at_us))
}
