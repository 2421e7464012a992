//! A process that is running, and the workers of a lake.

use clap::Args as ClapArgs;

use super::{ConfigFile, LakeOrConfig};

#[derive(ClapArgs)]
pub struct Status {
    /// A process to ask why it waits (http://127.0.0.1:9464), instead of the configuration's http.listen; again
    /// for each one
    #[arg(long)]
    pub url: Vec<String>,
    #[command(flatten)]
    pub lake: LakeOrConfig,
}

/// A process that is running: where it says it is, or its configuration does.
#[derive(Clone, ClapArgs)]
pub struct RunningProcess {
    /// Address of the process (http://127.0.0.1:9464), instead of the configuration's http.listen
    #[arg(long)]
    pub url: Option<String>,
    #[command(flatten)]
    pub config: ConfigFile,
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
pub struct Adopt {
    /// Topic that was deleted and created anew; again for each one
    #[arg(long, required_unless_present = "source", conflicts_with = "source")]
    pub topic: Vec<String>,
    /// All of another source: a new cluster, or another folder
    #[arg(long)]
    pub source: bool,
    /// Do it; without this, only what would be done is shown
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub lake: LakeOrConfig,
}
