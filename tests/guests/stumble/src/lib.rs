//! A plugin of the SDK that panics on rows it does not expect, as an author's own would.

use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Row, Transform};
use serde::Deserialize;

const NAMES: [&str; 3] = ["none", "one", "two"];

#[derive(Row)]
struct Reading<'a> {
    n: i64,
    #[row(new)]
    name: &'a str,
}

#[derive(Deserialize)]
struct Config {}

struct Stumble;

impl Transform for Stumble {
    type Config = Config;
    type Row = Reading<'static>;
    type Outcome = ();

    const ABOUT: About =
        About { name: "stumble", version: "1.0.0", config_schema: None, example_config: "{}" };

    fn configure(_: Config) -> Result<Self, Vec<ConfigProblem>> {
        Ok(Self)
    }

    fn process(&mut self, reading: &mut Reading<'_>) {
        reading.name = NAMES[reading.n as usize];
    }
}

millstream_sdk::export!(Stumble);
