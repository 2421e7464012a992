//! The tables of a lake, its checkpoint log, and its upkeep.

use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};

use super::LakeOrConfig;
use super::value::{duration, size};

#[derive(Subcommand)]
pub enum Tables {
    /// List the tables with their rows, files and bytes
    List {
        #[command(flatten)]
        lake: LakeOrConfig,
    },
    /// List the files of a table: the live ones, which is what a reader should open
    Files {
        /// Name of the table, as `tables list` prints it
        table: String,
        #[command(flatten)]
        lake: LakeOrConfig,
    },
    /// Merge the small files of a table, or of all, as a run does it in the background
    Merge(MergeTables),
    /// Show a few rows of a table
    Show {
        /// Name of the table, as `tables list` prints it
        table: String,
        /// Rows to show
        #[arg(short = 'n', long, default_value_t = 10)]
        limit: usize,
        #[command(flatten)]
        lake: LakeOrConfig,
    },
    /// List the files that no checkpoint names, and with --yes delete those that may go
    Clean(Clean),
}

#[derive(ClapArgs)]
pub struct MergeTables {
    /// Name of the table; all if there is none
    pub table: Option<String>,
    /// Only show which files would be merged
    #[arg(long)]
    pub dry_run: bool,
    /// Size from which on files are left as they are
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size)]
    pub target_size: usize,
    #[command(flatten)]
    pub lake: LakeOrConfig,
}

#[derive(ClapArgs)]
pub struct Clean {
    /// Do it; without this, only what would be done is shown
    #[arg(long)]
    pub yes: bool,
    /// Close the sessions of this worker first, which must have stopped for good
    #[arg(long, value_name = "WORKER")]
    pub close: Option<String>,
    /// Close them even if the worker wrote a moment ago
    #[arg(long, requires = "close")]
    pub force: bool,
    /// How long files that were replaced are left to readers, instead of the configuration's
    /// log.keep_replaced (1h)
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub keep_replaced: Option<Duration>,
    #[command(flatten)]
    pub lake: LakeOrConfig,
}

#[derive(Subcommand)]
pub enum Log {
    /// Show the entries of the log
    Show {
        /// First entry to show
        #[arg(long, value_name = "ENTRY")]
        from: Option<u64>,
        #[command(flatten)]
        lake: LakeOrConfig,
    },
    /// Check entries, snapshots, files and plugins; exit code 1 if something is missing or altered
    Verify(Verify),
    /// Raise the log to the format of this version, after which older versions cannot read on; --yes does it
    Upgrade(Upgrade),
}

#[derive(ClapArgs)]
pub struct Verify {
    /// Count the rows of each file, too, by its Parquet footer
    #[arg(long)]
    pub deep: bool,
    #[command(flatten)]
    pub lake: LakeOrConfig,
}

#[derive(ClapArgs)]
pub struct Upgrade {
    /// Do it; without this, only what would be done is shown
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub lake: LakeOrConfig,
}

#[derive(ClapArgs)]
pub struct Backup {
    /// Where the copy goes: a folder or a URL, empty or with an earlier backup of the lake; other files there
    /// are left alone
    #[arg(long, value_name = "URL")]
    pub to: String,
    #[command(flatten)]
    pub lake: LakeOrConfig,
}

#[derive(ClapArgs)]
pub struct Restore {
    /// The backup: a folder or a URL
    #[arg(long, value_name = "URL")]
    pub from: String,
    /// Take a lake that is there back to the backup; without this, only an empty place is written to
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub lake: LakeOrConfig,
}
