//! `millstream plugin list`: the steps of a process, and what is to be noticed about them; and the plugins in the
//! plugin folder, which are there whether a process is running or not. That none is running is no error, unless the
//! command line says where one is.

mod folder;
mod table;

use std::io::Write as _;
use std::path::PathBuf;

use millstream_http::admin::model::Step;
use millstream_pipeline::config::Config;
use serde_json::json;

use super::workbench;
use crate::candidate::about;
use crate::client::{AdminClient, Unreachable};
use crate::exit::Usage;
use crate::units::count;
use crate::{args, out};
use folder::InFolder;

/// Prints the steps, then the files.
pub async fn list(args: &args::List) -> anyhow::Result<()> {
    let steps = running(&args.admin).await?;
    let config = workbench::config_if_any(&args.admin.process.config)?;
    let folder = args.dir.clone().or_else(|| config.as_ref().map(|config| config.plugins_dir.clone()));
    let (steps, silent) = match (steps, &folder) {
        (Ok(steps), _) => (Some(steps), None),
        (Err(silent), Some(_)) => (None, Some(silent)),
        (Err(silent), None) => {
            return Err(
                Usage(format!("{silent}; name a plugin folder by --dir to see what lies there")).into()
            );
        }
    };
    let files = match &folder {
        Some(folder) => folder::look(folder, config.as_ref(), steps.as_deref())?,
        None => Vec::new(),
    };
    if let Some(silent) = &silent {
        // Closed, nobody reads it.
        let _ = writeln!(std::io::stderr(), "note: no running process is shown: {silent}");
    }
    match args.admin.json {
        true => json(steps.as_deref(), silent, &files),
        false => text(steps.as_deref(), folder.zip(Some(files)), config.as_ref()),
    }
}

/// The steps of the process, or why there is none to ask. One that is named must answer.
async fn running(args: &args::AdminProcess) -> anyhow::Result<Result<Vec<Step>, String>> {
    let is_named = args.process.url.is_some();
    let steps = match AdminClient::new(args) {
        Ok(client) => client.steps().await,
        Err(error) if is_named => return Err(error),
        Err(error) => return Ok(Err(error.to_string())),
    };
    match steps {
        Err(error) if !is_named && error.is::<Unreachable>() => Ok(Err(error.to_string())),
        steps => steps.map(Ok),
    }
}

/// One object a line: of a step, of a file, or, where there would be steps, of a process that was not reached.
fn json(steps: Option<&[Step]>, silent: Option<String>, files: &[InFolder]) -> anyhow::Result<()> {
    if let Some(silent) = silent {
        out::line(json!({ "process": { "reached": false, "reason": silent } }))?;
    }
    let steps = steps.unwrap_or_default();
    steps.iter().try_for_each(|step| out::line(serde_json::to_string(step)?))?;
    files.iter().try_for_each(|file| out::line(serde_json::to_string(file)?))
}

fn text(
    steps: Option<&[Step]>,
    folder: Option<(PathBuf, Vec<InFolder>)>,
    config: Option<&Config>,
) -> anyhow::Result<()> {
    if let Some(steps) = steps {
        out::text(of_steps(steps))?;
    }
    let Some((folder, files)) = folder else { return Ok(()) };
    let gap = if steps.is_some() { "\n" } else { "" };
    out::line(format_args!("{gap}plugins in {}", folder.display()))?;
    match files.is_empty() {
        true => out::line("none"),
        false => out::text(folder::text(&files, config.is_some())),
    }
}

fn of_steps(steps: &[Step]) -> String {
    let titles = ["step", "version", "digest", "since", "rows", "rejected", "traps", "µs/row"];
    let rows = steps.iter().map(|step| (cells(step), notes(step))).collect();
    table::text(&titles, 3, rows)
}

fn cells(step: &Step) -> Vec<String> {
    let since = step.since.as_ref().map_or(String::new(), |since| format!("#{}", since.sequence));
    vec![
        format!("{}/{}", step.stream, step.step),
        format!("{} {}", step.plugin, step.version),
        step.digest.short(),
        since,
        count(step.rows),
        count(step.rejected.values().sum()),
        count(step.traps),
        step.micros_per_row.map_or(String::new(), |micros| format!("{micros:.2}")),
    ]
}

/// What is not as it should be, or waits.
fn notes(step: &Step) -> Vec<String> {
    let circuit = step.circuit.iter().map(|reason| format!("circuit open: {reason}"));
    let paused = step.paused.iter().map(|pause| format!("stream paused: {}", pause.reason));
    circuit.chain(paused).chain(step.candidate.iter().map(about)).collect()
}
