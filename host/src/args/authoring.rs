//! Making plugins: new ones, builds, tests, measurements, a second look at what failed.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};

use super::value::duration;
use super::{AdminProcess, ConfigFile, LakeOrConfig};

/// A language that plugins are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Rust,
    Python,
    Javascript,
    C,
}

#[derive(ClapArgs)]
pub struct New {
    /// Name of the plugin: letters, digits, `_` and `-`
    pub name: String,
    /// Language that it is written in
    #[arg(long, value_enum, default_value = "rust")]
    pub lang: Language,
    /// Folder to write it to, which must not be there yet [default: NAME]
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct Build {
    /// Folder of the plugin
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// File to write [default: NAME.wasm in the folder of the plugin]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Drop it into this folder as well, in one piece, as a running process likes it
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A plugin: its folder, or a file that was built.
#[derive(ClapArgs)]
pub struct PluginUnderTest {
    /// Folder of the plugin, which is built if its sources are newer than what was built of them
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// A built plugin, instead of building the folder's
    #[arg(long, value_name = "FILE")]
    pub wasm: Option<PathBuf>,
    /// Folder of the cases [default: cases in the folder of the plugin]
    #[arg(long, value_name = "DIR")]
    pub cases: Option<PathBuf>,
}

#[derive(ClapArgs)]
pub struct Test {
    #[command(flatten)]
    pub plugin: PluginUnderTest,
    /// Only cases whose name contains this
    #[arg(long = "case", value_name = "TEXT")]
    pub filter: Option<String>,
    /// Write what came out as what is expected
    #[arg(long)]
    pub bless: bool,
    /// Test again whenever a file changes
    #[arg(long)]
    pub watch: bool,
    /// How often each case is run again with its rows cut at random into batches [default: 16, as far as they take 20 s]
    #[arg(long, value_name = "TIMES")]
    pub cuts: Option<u32>,
    /// Where the cuts begin; the same seed cuts alike [default: another one each time]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Make cases of the dead letters of a lake: one for each reason
    #[arg(long, conflicts_with_all = ["watch", "bless"])]
    pub from_dead_letters: bool,
    #[command(flatten)]
    pub letters: LettersToCases,
    /// Print JSON, one object a case
    #[arg(long, conflicts_with = "watch")]
    pub json: bool,
}

/// Which dead letters become cases.
#[derive(ClapArgs)]
pub struct LettersToCases {
    /// Only letters of this step (STEP or STREAM/STEP) [default: all steps that run a plugin of this name]
    #[arg(long, requires = "from_dead_letters")]
    pub step: Option<String>,
    /// At most so many letters of one reason
    #[arg(long, value_name = "LETTERS", default_value = "3", requires = "from_dead_letters")]
    pub per_reason: NonZeroUsize,
    /// The lake, a folder or a URL, instead of the configuration's
    #[arg(long, value_name = "URL", requires = "from_dead_letters")]
    pub lake: Option<String>,
    #[command(flatten)]
    pub config: ConfigFile,
}

#[derive(ClapArgs)]
pub struct Inspect {
    /// A .wasm file, or the folder of a plugin
    pub plugin: PathBuf,
    /// Show the plan on this stream of the configuration [default: on the input of the first case beside it]
    #[arg(long)]
    pub stream: Option<String>,
    #[command(flatten)]
    pub config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct Bench {
    #[command(flatten)]
    pub plugin: PluginUnderTest,
    /// Measure on the last messages of this stream of the configuration, instead of the cases
    #[arg(long)]
    pub stream: Option<String>,
    /// How many messages of the stream
    #[arg(long, value_name = "MESSAGES", default_value_t = 10_000, requires = "stream")]
    pub last: u64,
    #[command(flatten)]
    pub config: ConfigFile,
    /// Rows of a batch
    #[arg(long, default_value_t = 8192)]
    pub rows: usize,
    /// Let requests of plugins go out, with the secrets of the configuration; without this nobody answers them
    #[arg(long)]
    pub network: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct Repro {
    /// The dead letter: TOPIC/PARTITION/OFFSET, as `dead-letters show` prints it
    pub id: String,
    /// The step, where several have a dead letter of that message: STREAM/STEP, or its name
    #[arg(long)]
    pub step: Option<String>,
    /// Another build of the plugin that failed, instead of the version that made the dead letter
    #[arg(long, value_name = "FILE")]
    pub wasm: Option<PathBuf>,
    /// Run the plugins that lie in the plugin folder now, instead of the versions that processed the record then
    #[arg(long, conflicts_with = "wasm")]
    pub current: bool,
    /// Let requests of plugins go out, with the secrets of the configuration; without this nobody answers them
    #[arg(long)]
    pub network: bool,
    #[command(flatten)]
    pub lake: LakeOrConfig,
}

#[derive(ClapArgs)]
pub struct Dev {
    /// Folder of the plugin
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Folder of the cases [default: cases in the folder of the plugin]
    #[arg(long, value_name = "DIR")]
    pub cases: Option<PathBuf>,
    /// Drop what passes its cases into this folder, where a running process takes it
    #[arg(long, value_name = "DIR", conflicts_with = "shadow")]
    pub into: Option<PathBuf>,
    /// Run what passes its cases in the shadow of a running step for this long (30s, 10m) and show how they differ
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "step")]
    pub shadow: Option<Duration>,
    /// The step: STREAM/STEP, or its name if no other stream has one of that name
    #[arg(long)]
    pub step: Option<String>,
    #[command(flatten)]
    pub admin: AdminProcess,
}
