//! The part of the command line that all feeds share: where to send, how fast, for how long; and how its
//! values are read.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{ArgGroup, Args};

use crate::destination::Target;
use crate::pacing::Pace;

/// Where messages go, how fast, for how long, and what is said at the end.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("target").required(true).args(["brokers", "out"]))]
pub struct SendingArguments {
    /// Kafka cluster to send to
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// Folder to write to, as <topic>/<partition>.jsonl
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Partitions of topics that do not exist yet [default: 1]
    #[arg(long, allow_negative_numbers = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    partitions: Option<u32>,
    /// Messages per second, over all topics
    #[arg(long, allow_negative_numbers = true, value_name = "N", value_parser = parse_rate, conflicts_with = "as_fast_as_possible")]
    rate: Option<f64>,
    /// Send without waiting
    #[arg(long)]
    as_fast_as_possible: bool,
    /// End after this time, such as 30s, 500ms or 2m
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Print the summary as one JSON object
    #[arg(long)]
    pub json: bool,
}

impl SendingArguments {
    /// The pace that was asked for, if one was.
    pub fn pace(&self) -> Option<Pace> {
        match (self.rate, self.as_fast_as_possible) {
            (Some(rate), _) => Some(Pace::Rate(rate)),
            (None, true) => Some(Pace::Free),
            (None, false) => None,
        }
    }

    /// Opens the target; see [`Target`].
    pub async fn target(&self, topics: &[String]) -> Result<Target> {
        match (&self.brokers, &self.out) {
            (Some(brokers), _) => Target::kafka(brokers, topics, self.partitions).await,
            (None, Some(directory)) => Target::files(directory, topics, self.partitions),
            (None, None) => bail!("neither --brokers nor --out is given"),
        }
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).parse::<f64>();
    match number {
        Ok(rate) if (1e-3..=1e7).contains(&rate) => Ok(rate),
        _ => Err("expected messages per second between 0.001 and 10000000".to_owned()),
    }
}

/// A number above 0 with its unit: ms, s, m or h.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("expected a number with ms, s, m or h, such as 30s".to_owned()),
    };
    match number.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 1e9 => Ok(Duration::from_secs_f64(number * seconds)),
        _ => Err("expected a number above 0 with ms, s, m or h, such as 30s".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_are_read_or_refused() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(parse_duration(text).ok().map(|time| time.as_millis() as u64), expect, "{text}");
        };
        check("30s", Some(30_000));
        check("1.5m", Some(90_000));
        check("500ms", Some(500));
        for wrong in ["", "s", "30", "-1s", "0s", "1.2.3s", "1d", "30 s"] {
            check(wrong, None);
        }
        assert_eq!(parse_rate("250/s"), Ok(250.0));
        assert!(["0", "-1", "NaN", "inf", "many"].iter().all(|text| parse_rate(text).is_err()));
    }
}
