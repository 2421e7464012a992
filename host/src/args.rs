//! The command line: one verb or family of verbs a file.

mod authoring;
mod lake;
mod messages;
mod plugin;
mod process;
mod schema;
mod signing;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

pub use authoring::{
    Bench, Build, Dev, Inspect, Language, LettersToCases, New, PluginUnderTest, Repro, Test,
};
pub use lake::{Backup, Clean, Log, MergeTables, Restore, Tables, Upgrade, Verify};
pub use messages::{DeadLetters, ExplainRow, LetterFilter, Origin, Replay};
pub use plugin::{AdminProcess, Choose, List, OneStep, Pause, Plugin, Resume, Rollback, Shadow};
pub use process::{Adopt, RunningProcess, Status, Tap, Top};
pub use schema::{Check, Infer, Schema};
pub use signing::{Keygen, Password, Sign, Verify as VerifyPlugin};
use value::{duration, listen_address};

/// Stream processing with sandboxed WebAssembly transforms, from Kafka to Parquet, exactly once.
#[derive(Parser)]
#[command(name = "millstream", version, after_help = EXIT_CODES)]
pub struct Args {
    /// Form of the log on standard error; MILLSTREAM_LOG sets its level
    #[arg(long, global = true, value_enum, default_value = "text", env = "MILLSTREAM_LOG_FORMAT")]
    pub log_format: LogFormat,
    #[command(subcommand)]
    pub verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 success, 1 failure at run time, drift from a schema, a lake that is not as its log says, something that \
waits (status), or rows that differ (plugin shadow --fail-on-difference), 2 wrong command line, configuration or plugin, 3 the lake holds offsets of another source or of an earlier topic, 130 ended by a second \
signal.";

#[derive(Subcommand)]
pub enum Verb {
    /// Run the streams of a configuration
    Run(Run),
    /// Check a configuration, its plugins and their plans, without a broker or a lake
    Validate(Validate),
    /// Propose schemas from messages, or compare messages with the declared ones
    Schema {
        #[command(subcommand)]
        verb: Schema,
    },
    /// Show the workers of a lake, what each reads, how far it is, and why something waits; exit code 1 if
    /// something does
    Status(Status),
    /// Watch a running process: streams, steps, lag and rates, live in the terminal
    Top(Top),
    /// See rows of a running stream as they pass
    Tap(Tap),
    /// Make, build, test and measure plugins; see what the steps of a running process run, try another version
    /// beside them, and change it; sign plugins
    Plugin {
        #[command(subcommand)]
        verb: Plugin,
    },
    /// Let no worker read on with a stream, until it is resumed
    Pause(Pause),
    /// Let a paused stream go on
    Resume(Resume),
    /// Look at the tables of a lake, merge their small files, or clean up behind them
    Tables {
        #[command(subcommand)]
        verb: Tables,
    },
    /// Look at the messages that could not be processed, and process them again
    DeadLetters {
        #[command(subcommand)]
        verb: DeadLetters,
    },
    /// Say what became of a message: which entry accounts for it, where its rows are, what made them
    ExplainRow(ExplainRow),
    /// Process messages of a stream again with the plugins of today, and replace their rows in all tables but the
    /// raw one, at once; --yes does it
    Replay(Replay),
    /// Look at the checkpoint log of a lake, verify the lake, or raise the log's format
    Log {
        #[command(subcommand)]
        verb: Log,
    },
    /// Copy a lake as it is at this moment, while it is in use; an earlier copy is brought up to date
    Backup(Backup),
    /// Bring a backup back as a lake
    Restore(Restore),
    /// Let a lake go on with a topic that was created anew, or with another source; --yes does it
    Adopt(Adopt),
}

#[derive(Clone, Copy, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, ClapArgs)]
pub struct ConfigFile {
    /// Configuration file
    #[arg(short, long, default_value = "millstream.toml", env = "MILLSTREAM_CONFIG")]
    pub config: PathBuf,
}

#[derive(ClapArgs)]
pub struct LakeOrConfig {
    /// The lake, a folder or a URL, instead of the configuration's
    #[arg(long, value_name = "URL")]
    pub lake: Option<String>,
    #[command(flatten)]
    pub config: ConfigFile,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct Run {
    #[command(flatten)]
    pub config: ConfigFile,
    /// The lake, a folder or a URL, instead of the configuration's
    #[arg(long, value_name = "URL")]
    pub lake: Option<String>,
    /// Stop after this long (30s, 10m), with everything read committed
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub limit: Option<Duration>,
    /// Stop as soon as everything that is there has been committed (but not before --for)
    #[arg(long)]
    pub until_caught_up: bool,
    /// Serve health, metrics, status and taps at this address (127.0.0.1:9464; port 0: a free one),
    /// instead of the configuration's
    #[arg(long, value_name = "ADDRESS", value_parser = listen_address)]
    pub listen: Option<SocketAddr>,
    /// Show progress once a second
    #[arg(long)]
    pub progress: bool,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct Validate {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Print JSON, one object a line: one for each stream
    #[arg(long)]
    pub json: bool,
}
