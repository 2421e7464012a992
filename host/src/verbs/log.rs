//! `millstream log`: the entries of the checkpoint log, for people and scripts; its other verbs have files
//! of their own.

use millstream_model::entry::{
    Body, ChangeCause, Control, Counters, Data, Entry, PluginChange, PluginUse, Replace, Replay, Selection,
    Watermark,
};

use crate::summary::drift;
use crate::units::{count, moment};
use crate::{args, out};

/// Runs one of the log verbs.
pub async fn log(verb: args::Log) -> anyhow::Result<()> {
    match verb {
        args::Log::Show { from, lake } => show(from, &lake).await,
        args::Log::Verify(verify) => super::verify::verify(&verify).await,
        args::Log::Upgrade(upgrade) => super::upgrade::upgrade(&upgrade).await,
    }
}

async fn show(from: Option<u64>, lake: &args::LakeOrConfig) -> anyhow::Result<()> {
    let (_, log) = super::open_log(lake).await?;
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
        Body::Replay(replay) => describe_replay(replay),
        Body::Control(control) => describe_control(control),
    }
}

fn describe_data(data: &Data) -> String {
    let ranges = data.ranges.iter().map(|range| {
        let skipped = range.skipped.as_ref().map_or(String::new(), |reason| format!(" skipped: {reason}"));
        format!("{}{}{skipped}", range.partition, range.range)
    });
    let counters = data.counters.iter().map(|(stream, counters)| {
        let drift = match counters.drift.is_empty() {
            true => String::new(),
            false => format!(" drift {}", drift(counters)),
        };
        format!("; {}{drift}", fates(stream, counters))
    });
    let watermarks = data.watermarks.iter().map(|Watermark { partition, micros, idle }| {
        let idle = if *idle { " idle" } else { "" };
        format!("; watermark {partition} {}{idle}", moment(*micros))
    });
    format!(
        "data {}; {} files{}{}",
        ranges.collect::<Vec<_>>().join(" "),
        data.files.len(),
        counters.collect::<String>(),
        watermarks.collect::<String>()
    )
}

fn describe_replay(replay: &Replay) -> String {
    let ranges = replay.ranges.iter().map(|replayed| format!("{}{}", replayed.partition, replayed.range));
    let tables = replay.tables.iter().map(|Replace { table, removed, added }| {
        format!("; {table}: {} files by {}", removed.len(), added.len())
    });
    format!(
        "replay {}{}; {}{}",
        ranges.collect::<Vec<_>>().join(" "),
        if replay.selection == Selection::DeadLetters { " (dead letters)" } else { "" },
        fates(&replay.stream, &replay.counters),
        tables.collect::<String>()
    )
}

/// What became of messages, as `vehicle in 10 out 8 dropped 1 dead 1`.
pub(super) fn fates(stream: &str, counters: &Counters) -> String {
    let (dropped, dead) = (counters.dropped.values().sum(), counters.dead.values().sum());
    let some = |what: &str, messages| match messages {
        0 => String::new(),
        _ => format!(" {what} {}", count(messages)),
    };
    format!(
        "{stream} in {} out {} dropped {} dead {}{}{}",
        count(counters.r#in),
        count(counters.out),
        count(dropped),
        count(dead),
        some("late", counters.late),
        some("ahead", counters.ahead)
    )
}

fn describe_plugins(desired: &[PluginUse], change: Option<&PluginChange>) -> String {
    let of_step = |used: &PluginUse| {
        let name = change.and_then(|change| change.names.get(&used.plugin));
        let name = name.map_or(String::new(), |name| format!("{} {} ", name.name, name.version));
        format!("{}/{} {name}{}", used.stream, used.step, used.plugin.short())
    };
    let steps: Vec<_> = desired.iter().map(of_step).collect();
    let steps = if steps.is_empty() { "none".to_owned() } else { steps.join(", ") };
    let cause = change.map_or(String::new(), |change| format!("; {}", cause(change.cause)));
    format!("plugins {steps}{cause}")
}

fn cause(cause: ChangeCause) -> &'static str {
    match cause {
        ChangeCause::Started => "at a start",
        ChangeCause::DroppedIn => "dropped in",
        ChangeCause::Configured => "configured",
        ChangeCause::Promoted => "promoted",
        ChangeCause::RolledBack => "rolled back",
        ChangeCause::CircuitOpened => "a circuit opened",
    }
}

fn describe_control(control: &Control) -> String {
    match control {
        Control::SessionOpened { session, worker, version } => {
            format!("session {} opened by {worker} (millstream {version})", session.0)
        }
        Control::SessionClosed { session } => format!("session {} closed", session.0),
        Control::SourceBound { source, .. } => format!("bound to source {source}"),
        Control::Adopted { source, restart, .. } if restart.is_empty() => format!("adopted source {source}"),
        Control::Adopted { source, restart, .. } => {
            let topics: Vec<_> = restart.iter().map(String::as_str).collect();
            format!("adopted source {source}; {} from the beginning", topics.join(", "))
        }
        Control::Plugins { desired, change } => describe_plugins(desired, change.as_ref()),
        Control::Paused { stream, reason, step: None } => format!("{stream} paused: {reason}"),
        Control::Paused { stream, reason, step: Some(step) } => {
            format!("{stream} paused until {step} is another one: {reason}")
        }
        Control::Resumed { stream } => format!("{stream} resumed"),
        Control::Configured { config } => format!("configuration {}", config.short()),
        Control::Retention { boundary } => format!("entries below {boundary} may be deleted"),
        Control::Cleaned { paths } => format!("{} replaced files deleted", paths.len()),
        Control::Upgraded { format } => format!("upgraded to format {format}"),
    }
}
