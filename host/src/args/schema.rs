//! Schemas proposed from messages, and compared with them.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::ConfigFile;
use super::value::zone;

#[derive(Subcommand)]
pub enum Schema {
    /// Propose the section [streams.NAME] of a configuration from a sample of a topic's messages
    Infer(Infer),
    /// Compare a sample of each stream's topic with its schema; exit code 1 if they differ, if messages are
    /// malformed, or if there are none
    Check(Check),
}

#[derive(ClapArgs)]
pub struct Infer {
    /// Topic to look at; several at a time are compared with each other
    #[arg(long, required = true)]
    pub topic: Vec<String>,
    /// Kafka brokers (host:port, with commas), instead of the configuration's source
    #[arg(long, conflicts_with = "dir")]
    pub brokers: Option<String>,
    /// Folder with <topic>/<partition>.jsonl, instead of the configuration's source
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Configuration that names the source, and whose streams' names are known [default: millstream.toml,
    /// unless there is --brokers or --dir]
    #[arg(short, long, env = "MILLSTREAM_CONFIG")]
    pub config: Option<PathBuf>,
    /// Another configuration whose streams' names are known
    #[arg(long, value_name = "CONFIG")]
    pub against: Vec<PathBuf>,
    /// Messages of each topic to look at, from its beginning and its end
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub limit: u64,
    /// Name of the stream; the default is made of the topic's
    #[arg(long)]
    pub stream: Option<String>,
    /// Time zone of date-times that state none (Europe/London): they become timestamps
    #[arg(long, value_parser = zone)]
    pub zone: Option<String>,
    /// Write the configuration to a file instead of standard output
    #[arg(long)]
    pub output: Option<PathBuf>,
    /// Print JSON, one object a topic
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct Check {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Stream to look at; all if there is none
    #[arg(long)]
    pub stream: Option<String>,
    /// Messages of each topic to look at, from its beginning and its end
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub limit: u64,
    /// Print JSON, one object a stream
    #[arg(long)]
    pub json: bool,
}
