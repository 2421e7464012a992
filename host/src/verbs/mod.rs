//! One file for each verb of the command line.

pub mod adopt;
pub mod backup;
pub mod clean;
pub mod dead_letters;
pub mod explain;
pub mod log;
pub mod merge;
pub mod pause;
pub mod plugin;
pub mod redrive;
pub mod replay;
pub mod restore;
pub mod run;
pub mod schema;
pub mod status;
pub mod tables;
pub mod tap;
pub mod top;
pub mod upgrade;
pub mod validate;
pub mod verify;

use std::sync::Arc;

use anyhow::bail;
use millstream_egress::{Egress, Secrets};
use millstream_engine::{Engine, EngineSettings};
use millstream_model::SystemClock;
use millstream_pipeline::checkpoint::CheckpointLog;
use millstream_pipeline::config::Config;
use millstream_pipeline::lake::Lake;
use millstream_pipeline::start;

use crate::args::{ConfigFile, LakeOrConfig};

/// Reads the configuration, with the environment laid over it.
fn read_config(file: &ConfigFile) -> anyhow::Result<Config> {
    Ok(Config::read(&file.config, std::env::vars())?)
}

/// The configuration, of the lake that the command line names, if it does.
fn with_lake(config: Config, lake: Option<&str>) -> Config {
    Config { lake_url: lake.map_or(config.lake_url, str::to_owned), ..config }
}

/// An engine for the plugins of a configuration, whose requests go out with its secrets.
fn engine(config: &Config) -> anyhow::Result<Engine> {
    let secrets = config.secrets.iter().map(|(name, secret)| (name.clone(), secret.reveal().to_owned()));
    let egress = Egress::new(Secrets::from_iter(secrets));
    let settings = EngineSettings {
        cache_dir: config.cache_dir.clone(),
        network: Some(Arc::new(egress)),
        ..EngineSettings::default()
    };
    Ok(Engine::new(settings)?)
}

/// The log of the lake at `url`; none if nothing was ever written there.
async fn log_if_any(url: &str) -> anyhow::Result<Option<CheckpointLog>> {
    let Ok(lake) = Lake::open_existing(url) else { return Ok(None) };
    lake.look().await?;
    let log = start::open_log(&lake, Arc::new(SystemClock)).await?;
    Ok(Some(log).filter(|log| log.state().sequence() > 0))
}

/// The lake that the command line or the configuration names, and its log.
async fn open_log(args: &LakeOrConfig) -> anyhow::Result<(Lake, CheckpointLog)> {
    let lake = open_lake(args).await?;
    let log = start::open_log(&lake, Arc::new(SystemClock)).await?;
    if log.state().sequence() == 0 {
        bail!("there is no checkpoint log in {}: nothing was ever committed there", lake.url());
    }
    Ok((lake, log))
}

/// The lake that the command line or the configuration names.
async fn open_lake(args: &LakeOrConfig) -> anyhow::Result<Lake> {
    let lake = Lake::open_existing(&lake_url(args)?)?;
    lake.look().await?;
    Ok(lake)
}

fn lake_url(args: &LakeOrConfig) -> anyhow::Result<String> {
    match &args.lake {
        Some(url) => Ok(url.clone()),
        None => Ok(Config::lake_url(&args.config.config, std::env::vars())?),
    }
}
