//! Numbers rows in its own memory, which no plugin may rely on: an instance is thrown away at any batch, and the numbers
//! begin anew. In one batch it looks right; random cuts find it out.

use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Row, Transform, log};
use serde::Deserialize;

/// What the step looks at.
#[derive(Row)]
pub struct Numbered<'a> {
    #[row(optional)]
    id: Option<&'a str>,
    #[row(new)]
    number: i64,
}

/// Nothing to configure.
#[derive(Deserialize)]
pub struct Config {}

/// The step.
pub struct Forgetful {
    rows: i64,
}

impl Transform for Forgetful {
    type Config = Config;
    type Row = Numbered<'static>;
    type Outcome = ();

    const ABOUT: About =
        About { name: "forgetful", version: "1.0.0", config_schema: None, example_config: "{}" };

    fn configure(_: Config) -> Result<Self, Vec<ConfigProblem>> {
        Ok(Self { rows: 0 })
    }

    fn process(&mut self, row: &mut Numbered<'_>) {
        self.rows += 1;
        row.number = self.rows;
        if let Some(id) = row.id {
            log::debug(format_args!("{id} is number {}", self.rows));
        }
    }
}

millstream_sdk::export!(Forgetful);
