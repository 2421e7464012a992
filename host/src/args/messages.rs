//! Messages that were processed: what became of them, and having it done again.

use clap::{ArgGroup, Args as ClapArgs, Subcommand, ValueEnum};
use millstream_model::{Offset, OffsetRange};

use super::LakeOrConfig;
use super::value::{moment, offsets};

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
        /// Do it; without this, only what would be done is shown
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        lake: LakeOrConfig,
    },
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
    /// These offsets of a partition, without the last (0:100..200, 0:100..); again for each range
    #[arg(long, value_name = "PARTITION:START..END", value_parser = offsets, conflicts_with_all = ["from", "to"])]
    pub offsets: Vec<(i32, OffsetRange)>,
    /// Where the messages come from, instead of the source as far as it has them and else the raw table
    #[arg(long, value_enum)]
    pub source: Option<Origin>,
    /// Do it; without this, only what would be done is shown
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
