//! One file for each verb of the command line.

pub mod dead_letters;
pub mod explain;
pub mod log;
pub mod redrive;
pub mod replay;
pub mod run;
pub mod schema;
pub mod tables;
pub mod tap;
pub mod top;
pub mod validate;

use std::sync::Arc;

use anyhow::bail;
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

/// The lake that the command line or the configuration names, and its log.
async fn open_log(args: &LakeOrConfig) -> anyhow::Result<(Lake, CheckpointLog)> {
    let url = match &args.lake {
        Some(url) => url.clone(),
        None => Config::lake_url(&args.config.config, std::env::vars())?,
    };
    let lake = Lake::open_existing(&url)?;
    lake.look().await?;
    let log = start::open_log(&lake, Arc::new(SystemClock)).await?;
    if log.state().sequence() == 0 {
        bail!("there is no checkpoint log in {}: nothing was ever committed there", lake.url());
    }
    Ok((lake, log))
}
