//! Every type of column that the SDK has, with and without nulls, read and written back by a function of rows.

use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Date, LocalTimestamp, Row, Timestamp, Transform, Verdict};
use serde::Deserialize;

#[derive(Default, Row)]
pub struct Every<'a> {
    pub verdict: i32,
    #[row(write)]
    pub flag: bool,
    #[row(write)]
    pub small: i32,
    #[row(write)]
    pub large: i64,
    #[row(write)]
    pub single: f32,
    #[row(write)]
    pub double: f64,
    #[row(write)]
    pub text: &'a str,
    #[row(write)]
    pub blob: &'a [u8],
    #[row(write)]
    pub day: Date,
    #[row(write)]
    pub at: Timestamp,
    #[row(write)]
    pub wall: LocalTimestamp,
    #[row(write)]
    pub numbers: &'a [f64],
    #[row(write)]
    pub maybe_flag: Option<bool>,
    #[row(write)]
    pub maybe_small: Option<i32>,
    #[row(write)]
    pub maybe_large: Option<i64>,
    #[row(write)]
    pub maybe_single: Option<f32>,
    #[row(write)]
    pub maybe_double: Option<f64>,
    #[row(write)]
    pub maybe_text: Option<&'a str>,
    #[row(write)]
    pub maybe_blob: Option<&'a [u8]>,
    #[row(write)]
    pub maybe_day: Option<Date>,
    #[row(write)]
    pub maybe_at: Option<Timestamp>,
    #[row(write)]
    pub maybe_wall: Option<LocalTimestamp>,
    #[row(write)]
    pub maybe_numbers: Option<&'a [f64]>,
}

#[derive(Deserialize)]
pub struct Config {}

pub struct Same;

impl Transform for Same {
    type Config = Config;
    type Row = Every<'static>;
    type Outcome = Verdict;

    const ABOUT: About =
        About { name: "same-rust", version: "0.1.0", config_schema: None, example_config: "{}" };

    fn configure(_: Config) -> Result<Self, Vec<ConfigProblem>> {
        Ok(Self)
    }

    fn process(&mut self, every: &mut Every<'_>) -> Verdict {
        match every.verdict {
            1 => Verdict::Reject("turned away".into()),
            2 => Verdict::Drop,
            _ => Verdict::Keep,
        }
    }
}

millstream_sdk::export!(Same);
