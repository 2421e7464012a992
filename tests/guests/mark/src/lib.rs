//! Marks every row with a number that stands in the compiled file: whoever writes another one over it has a
//! version with a digest of its own, and can tell from a row which version made it.

use std::hint::black_box;

use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Row, Transform};
use serde::Deserialize;

/// Stands in the file once, with the digits of the number behind the sign.
static MARK: &[u8; 24] = b"millstream-mark=00000000";
const SIGN: usize = 16;

/// What the step looks at.
#[derive(Row)]
pub struct Marked {
    #[row(name = "id")]
    _id: i64,
    #[row(new)]
    mark: i64,
}

/// Nothing to configure.
#[derive(Deserialize)]
pub struct Config {}

/// The step.
pub struct Mark {
    number: i64,
}

impl Transform for Mark {
    type Config = Config;
    type Row = Marked;
    type Outcome = ();

    const ABOUT: About = About { name: "mark", version: "1.0.0", config_schema: None, example_config: "{}" };

    fn configure(_: Config) -> Result<Self, Vec<ConfigProblem>> {
        // The compiler may not take the digits for known.
        let digits = &black_box(MARK)[SIGN..];
        let number = digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        Ok(Self { number })
    }

    fn process(&mut self, row: &mut Marked) {
        row.mark = self.number;
    }
}

millstream_sdk::export!(Mark);
