//! `millstream plugin repro`: takes the record of a dead letter out of the lake and runs it again, alone: decoded
//! by the schema of today, through the steps before the one that failed, and through that one, in the versions that
//! processed it. Nothing is written anywhere; what happens is shown.

mod find;
mod plan;
mod run;
mod text;

use super::workbench;
use crate::exit::Told;
use crate::{args, out};
use plan::Shelf;

/// Runs the record and shows what happened; fails if it fails again.
pub async fn repro(args: args::Repro) -> anyhow::Result<()> {
    let config = crate::verbs::read_config(&args.lake.config)?;
    let record = find::find(&args.id, args.step.as_deref(), &args.lake).await?;
    let (lake, log) = crate::verbs::open_log(&args.lake).await?;
    let network = Some(&config).filter(|_| args.network);
    let engine = workbench::engine_for_trials(network, config.cache_dir.clone())?;
    let shelf = Shelf { config: &config, engine: &engine, lake: &lake, log: &log };
    let planned = shelf.plan(&record, &args).await?;
    let ran = run::run(&planned, &record)?;
    match args.lake.json {
        true => out::line(serde_json::to_string(&ran)?)?,
        false => out::text(text::text(&record, &ran))?,
    }
    if ran.outcome.is_failure() { Err(Told::Failing.into()) } else { Ok(()) }
}
