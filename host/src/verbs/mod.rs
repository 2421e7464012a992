//! One file for each verb of the command line.

pub mod log;
pub mod run;
pub mod tables;
pub mod validate;

use millstream_pipeline::config::Config;
use millstream_pipeline::lake::Lake;

use crate::args::{ConfigFile, LakeOrConfig};

/// Reads the configuration, with the environment laid over it.
fn read_config(file: &ConfigFile) -> anyhow::Result<Config> {
    Ok(Config::read(&file.config, std::env::vars())?)
}

/// The lake that the command line or the configuration names, for looking at it.
async fn open_lake(args: &LakeOrConfig) -> anyhow::Result<Lake> {
    let url = match &args.lake {
        Some(url) => url.clone(),
        None => read_config(&args.config)?.lake_url,
    };
    let lake = Lake::open_existing(&url)?;
    lake.look().await?;
    Ok(lake)
}
