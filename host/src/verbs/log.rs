//! `millstream log show`: the entries of the checkpoint log, for people and scripts.

use millstream_model::entry::{Body, Control, Data, Entry};

use crate::summary::{count, drift};
use crate::{args, out};

/// Shows entries.
pub async fn log(verb: args::Log) -> anyhow::Result<()> {
    let args::Log::Show { from, lake } = verb;
    let (_, log) = super::open_log(&lake).await?;
    for (entry, _) in log.entries(from).await? {
        if lake.json {
            out::line(serde_json::to_string(&entry)?)?;
        } else {
            out::line(format_args!("{:>8}  {}  {}", entry.sequence, entry.session.0, describe(&entry)))?;
        }
    }
    Ok(())
}

fn describe(entry: &Entry) -> String {
    match &entry.body {
        Body::Data(data) => describe_data(data),
        Body::Replace(replace) => {
            format!("replace {}: {} files by {}", replace.table, replace.removed.len(), replace.added.len())
        }
        Body::Control(control) => describe_control(control),
    }
}

fn describe_data(data: &Data) -> String {
    let ranges = data.ranges.iter().map(|range| {
        let skipped = range.skipped.as_ref().map_or(String::new(), |reason| format!(" skipped: {reason}"));
        format!("{}{}{skipped}", range.partition, range.range)
    });
    let counters = data.counters.iter().map(|(stream, counters)| {
        let dropped = counters.dropped.values().sum();
        let dead = counters.dead.values().sum();
        let drift = match counters.drift.is_empty() {
            true => String::new(),
            false => format!(" drift {}", drift(counters)),
        };
        format!(
            "; {stream} in {} out {} dropped {} dead {}{drift}",
            count(counters.r#in),
            count(counters.out),
            count(dropped),
            count(dead)
        )
    });
    format!(
        "data {}; {} files{}",
        ranges.collect::<Vec<_>>().join(" "),
        data.files.len(),
        counters.collect::<String>()
    )
}

fn describe_control(control: &Control) -> String {
    match control {
        Control::SessionOpened { session, worker, version } => {
            format!("session {} opened by {worker} (millstream {version})", session.0)
        }
        Control::SessionClosed { session } => format!("session {} closed", session.0),
        Control::SourceBound { source, .. } => format!("bound to source {source}"),
        Control::Plugins { desired } => {
            let of_step = |used: &millstream_model::entry::PluginUse| {
                format!("{}/{} {}", used.stream, used.step, used.plugin.short())
            };
            format!("plugins {}", desired.iter().map(of_step).collect::<Vec<_>>().join(", "))
        }
        Control::Configured { config } => format!("configuration {}", config.short()),
        Control::Retention { boundary } => format!("entries below {boundary} may be deleted"),
    }
}
