//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use millstream_model::{Clock as _, Offset, OffsetRange, SystemClock};

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

const EXIT_CODES: &str = "Exit codes: 0 success, 1 failure at run time, drift from a schema, or something that waits (status), 2 wrong command line, \
configuration or plugin, 3 the lake belongs to another source.";

#[derive(Clone, Copy, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

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
    /// Watch a running process: streams, steps, lag and rates, live in the terminal
    Top(Top),
    /// Show the workers of a lake, what each reads, how far it is, and why something waits; exit code 1 if
    /// something does
    Status(Status),
    /// Let a lake go on with a topic that was created anew, or with another source; shows what that would do
    Adopt(Adopt),
    /// See rows of a running stream as they pass
    Tap(Tap),
    /// Look at the tables of a lake
    Tables {
        #[command(subcommand)]
        verb: Tables,
    },
    /// Look at the messages that could not be processed, and process them again
    DeadLetters {
        #[command(subcommand)]
        verb: DeadLetters,
    },
    /// Process messages of a stream again with the plugins of today, and replace their rows in all tables but the
    /// raw one, at once
    Replay(Replay),
    /// Say what became of a message: which entry accounts for it, where its rows are, what made them
    ExplainRow(ExplainRow),
    /// Look at the checkpoint log of a lake, verify the lake, or raise the log's format
    Log {
        #[command(subcommand)]
        verb: Log,
    },
    /// Copy a lake as it is at this moment, while it is in use; an earlier copy is brought up to date
    Backup(Backup),
    /// Bring a backup back as a lake
    Restore(Restore),
}

#[derive(ClapArgs)]
pub struct ConfigFile {
    /// Configuration file
    #[arg(short, long, default_value = "millstream.toml", env = "MILLSTREAM_CONFIG")]
    pub config: PathBuf,
}

#[derive(ClapArgs)]
pub struct Run {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Lake to write to, instead of the configuration's
    #[arg(long)]
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

/// A process that is running: where it says it is, or its configuration does.
#[derive(ClapArgs)]
pub struct RunningProcess {
    /// Address of the process (http://127.0.0.1:9464), instead of the configuration's http.listen
    #[arg(long)]
    pub url: Option<String>,
    #[command(flatten)]
    pub config: ConfigFile,
}

#[derive(ClapArgs)]
pub struct Status {
    #[command(flatten)]
    pub config: ConfigFile,
    /// A process to ask why it waits (http://127.0.0.1:9464), again for each one, instead of the configuration's
    /// http.listen
    #[arg(long)]
    pub url: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct Adopt {
    #[command(flatten)]
    pub config: ConfigFile,
    /// Topic that was deleted and created anew; again for each one
    #[arg(long, required_unless_present = "source", conflicts_with = "source")]
    pub topic: Vec<String>,
    /// All of another source: a new cluster, or another folder
    #[arg(long)]
    pub source: bool,
    /// Do it; without this, only what would be done is shown
    #[arg(long)]
    pub yes: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct Top {
    #[command(flatten)]
    pub process: RunningProcess,
    /// Print one plain frame, after a second of watching
    #[arg(long)]
    pub once: bool,
    /// Print the status of the process as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct Tap {
    #[command(flatten)]
    pub process: RunningProcess,
    /// Stream to look at
    #[arg(long)]
    pub stream: String,
    /// Rows as they enter this step
    #[arg(long, value_name = "STEP", group = "place")]
    pub before: Option<String>,
    /// Rows as they leave this step; the last one if nothing else is said
    #[arg(long, value_name = "STEP", group = "place")]
    pub after: Option<String>,
    /// Dead letters: what could not be decoded or was rejected
    #[arg(long, group = "place")]
    pub rejected: bool,
    /// Only rows for which this is true, as in "speed > 30 and make = 'BMW'"
    #[arg(long = "where", value_name = "CONDITION")]
    pub condition: Option<String>,
    /// Stop after so many rows
    #[arg(short = 'n', long, value_name = "ROWS")]
    pub limit: Option<u64>,
    /// Columns to show, with commas between them
    #[arg(long, value_name = "COLUMNS")]
    pub columns: Option<String>,
    /// Print rows as JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct LakeOrConfig {
    /// Lake to look at: a folder or a URL
    #[arg(long, value_name = "URL")]
    pub lake: Option<String>,
    #[command(flatten)]
    pub config: ConfigFile,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

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
    /// List the files that no checkpoint names, and delete those that may go
    Clean(Clean),
}

#[derive(ClapArgs)]
pub struct Clean {
    /// Delete the files; without this they are only listed
    #[arg(long)]
    pub delete: bool,
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
    /// Raise the format; without this it is only said what would be done
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub lake: LakeOrConfig,
}

#[derive(ClapArgs)]
pub struct Backup {
    /// Where the copy goes: a folder or a URL, empty or with an earlier backup of the lake
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
    /// Take a lake that is there back to the backup
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub lake: LakeOrConfig,
}

#[derive(ClapArgs)]
pub struct MergeTables {
    /// Name of the table; all if there is none
    pub table: Option<String>,
    /// Only say which files would be merged
    #[arg(long)]
    pub dry_run: bool,
    /// Size from which on files are left as they are
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size)]
    pub target_size: usize,
    #[command(flatten)]
    pub lake: LakeOrConfig,
}

#[derive(Subcommand)]
pub enum DeadLetters {
    /// Count the dead letters by stream, step and reason, with an example of each
    List {
        #[command(flatten)]
        filter: LetterFilter,
        #[command(flatten)]
        lake: LakeOrConfig,
    },
    /// Show dead letters with all that is known of them
    Show {
        #[command(flatten)]
        filter: LetterFilter,
        /// Letters to show
        #[arg(short = 'n', long, default_value_t = 10)]
        limit: usize,
        /// Show values, keys and headers whole, however long; JSON always has them whole
        #[arg(long)]
        full: bool,
        #[command(flatten)]
        lake: LakeOrConfig,
    },
    /// Process dead letters again with the plugins of today, from their original bytes: those that pass go to their
    /// tables, the others stay dead letters with their new reason
    Redrive {
        #[command(flatten)]
        filter: LetterFilter,
        /// Do it, instead of saying what would be done
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        lake: LakeOrConfig,
    },
}

#[derive(ClapArgs)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["from", "to", "offsets"]))]
pub struct Replay {
    /// Stream to replay
    #[arg(long)]
    pub stream: String,
    /// From the first message sent at or after this time (2026-01-31T08:00:00Z), or within this long (15m); event
    /// times count where the source gives no times
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Option<i64>,
    /// To the last message sent before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub to: Option<i64>,
    /// Of this partition only
    #[arg(long, value_name = "NUMBER", conflicts_with = "offsets")]
    pub partition: Option<i32>,
    /// These offsets of a partition, without the last (0:100..200, 0:100..); several times for several ones
    #[arg(long, value_name = "PARTITION:START..END", value_parser = offsets, conflicts_with_all = ["from", "to"])]
    pub offsets: Vec<(i32, OffsetRange)>,
    /// Where the messages come from, instead of the source as far as it has them and else the raw table
    #[arg(long, value_enum)]
    pub source: Option<Origin>,
    /// Do it, instead of saying what would be done
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub lake: LakeOrConfig,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Origin {
    /// The source, which must have them all; they are decoded again
    #[value(alias = "files")]
    Kafka,
    /// The raw table; what was decoded is taken as it is
    Raw,
}

#[derive(ClapArgs)]
#[command(group = ArgGroup::new("of").required(true).args(["topic", "stream"]))]
pub struct ExplainRow {
    /// Topic of the message
    #[arg(long)]
    pub topic: Option<String>,
    /// Stream of the message, instead of its topic
    #[arg(long)]
    pub stream: Option<String>,
    /// Its partition
    #[arg(long, value_name = "NUMBER")]
    pub partition: i32,
    /// Its offset
    #[arg(long)]
    pub offset: Offset,
    #[command(flatten)]
    pub lake: LakeOrConfig,
}

#[derive(ClapArgs)]
pub struct LetterFilter {
    /// Only those of this stream
    #[arg(long)]
    pub stream: Option<String>,
    /// Only those of this step (`decode` for what could not be decoded)
    #[arg(long)]
    pub step: Option<String>,
    /// Only those whose reason contains this text
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Only those sent at or after this time (2026-01-31T08:00:00Z), or within this long (15m)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<i64>,
}

#[derive(Subcommand)]
pub enum Log {
    /// Show the entries of the log
    Show {
        /// First entry to show
        #[arg(long)]
        from: Option<u64>,
        #[command(flatten)]
        lake: LakeOrConfig,
    },
    /// Check entries, snapshots, files and plugins; exit code 1 if something is missing or altered
    Verify(Verify),
    /// Raise the log to the format of this version, after which older versions cannot read on
    Upgrade(Upgrade),
}

fn zone(text: &str) -> Result<String, String> {
    millstream_pipeline::config::zone(text)
}

fn moment(text: &str) -> Result<i64, String> {
    millstream_pipeline::config::moment(text, SystemClock.now_us())
}

/// Reads `PARTITION:START..END`, where the end may be left out.
fn offsets(text: &str) -> Result<(i32, OffsetRange), String> {
    let expected = || format!("`{text}` is not PARTITION:START..END, such as 0:100..200 or 0:100..");
    let (partition, range) = text.split_once(':').ok_or_else(expected)?;
    let (start, end) = range.split_once("..").ok_or_else(expected)?;
    let number = |text: &str| text.parse::<Offset>().ok().filter(|number| *number >= 0).ok_or_else(expected);
    let (start, end) = (number(start)?, if end.is_empty() { Offset::MAX } else { number(end)? });
    let partition = partition.parse().ok().filter(|number| *number >= 0).ok_or_else(expected)?;
    match start < end {
        true => Ok((partition, OffsetRange::new(start, end))),
        false => Err(format!("`{text}` holds no offset: the end is not part of it")),
    }
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    millstream_pipeline::config::listen_address(text)
}

fn size(text: &str) -> Result<usize, String> {
    millstream_pipeline::config::size(text)
}

fn duration(text: &str) -> Result<Duration, String> {
    millstream_pipeline::config::duration(text)
}
