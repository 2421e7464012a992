//! Reads British number plates with a regular expression, from a crate as any Rust program would: column
//! `plate` is brought to one spelling, and what current plates (since September 2001) tell is written to new columns.
//!
//! | column | |
//! |---|---|
//! | `plate` | in capitals, without blanks and hyphens; `AB12 CDE` becomes `AB12CDE` |
//! | `plate_valid` | whether it is a current plate; null where there is none |
//! | `plate_area` | the first letter's region, as `Anglia`; null unless it is a current plate |
//! | `plate_registered` | the first day of the half-year that its number stands for; null likewise |

use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Date, Row, Transform, Verdict};
use regex_lite::Regex;
use serde::Deserialize;

/// Regions by the first letter of a plate; letters that are missing are not given out.
const AREAS: [(char, &str); 19] = [
    ('A', "Anglia"),
    ('B', "Birmingham"),
    ('C', "Cymru"),
    ('D', "Deeside to Shrewsbury"),
    ('E', "Essex"),
    ('F', "Forest and Fens"),
    ('G', "Garden of England"),
    ('H', "Hampshire and Dorset"),
    ('K', "Milton Keynes"),
    ('L', "London"),
    ('M', "Manchester and Merseyside"),
    ('N', "North"),
    ('O', "Oxford"),
    ('P', "Preston"),
    ('R', "Reading"),
    ('S', "Scotland"),
    ('V', "Severn Valley"),
    ('W', "West of England"),
    ('Y', "Yorkshire"),
];

/// The configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Rows with something else than a current plate become dead letters.
    #[serde(default)]
    reject_invalid: bool,
}

/// The columns.
#[derive(Row)]
pub struct Car<'a> {
    #[row(write)]
    plate: Option<std::borrow::Cow<'a, str>>,
    #[row(new)]
    plate_valid: Option<bool>,
    #[row(new)]
    plate_area: Option<&'static str>,
    #[row(new)]
    plate_registered: Option<Date>,
}

/// The plugin.
pub struct NumberPlate {
    current: Regex,
    reject_invalid: bool,
}

impl Transform for NumberPlate {
    type Config = Config;
    type Row = Car<'static>;
    type Outcome = Verdict;

    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        config_schema: Some(include_str!("../config.schema.json")),
        example_config: include_str!("../config.example.json"),
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigProblem>> {
        // I and Q are never used, Z not in the first two places.
        let current = Regex::new("^([A-HJ-PR-Y])[A-HJ-PR-Y]([0-9]{2})[A-HJ-PR-Z]{3}$");
        Ok(Self { current: current.expect("a constant"), reject_invalid: config.reject_invalid })
    }

    fn process(&mut self, car: &mut Car<'_>) -> Verdict {
        let Some(plate) = &car.plate else { return Verdict::Keep };
        let plate: String = plate.chars().filter(|letter| !" -".contains(*letter)).collect();
        let plate = plate.to_ascii_uppercase();
        let told = self.told(&plate);
        car.plate_valid = Some(told.is_some());
        (car.plate_area, car.plate_registered) = told.unzip();
        car.plate = Some(plate.into());
        match told {
            None if self.reject_invalid => Verdict::Reject("`plate` is not a current number plate".into()),
            _ => Verdict::Keep,
        }
    }
}

millstream_sdk::export!(NumberPlate);

impl NumberPlate {
    fn told(&self, plate: &str) -> Option<(&'static str, Date)> {
        let parts = self.current.captures(plate)?;
        let (_, area) = AREAS.iter().find(|(letter, _)| parts[1].starts_with(*letter))?;
        Some((area, registered(parts[2].parse().ok()?)?))
    }
}

/// Numbers 02 to 50 are from March of that year on, 51 to 99 and 00 from September of 50 years before.
fn registered(number: u16) -> Option<Date> {
    let (year, month) = match number {
        0 => (2050, 9),
        1 => return None,
        2..=50 => (2000 + i32::from(number), 3),
        _ => (1950 + i32::from(number), 9),
    };
    let leap_days = (year - 1969) / 4;
    let day_of_year = if month == 3 { 59 } else { 243 } + i32::from(year % 4 == 0);
    Some(Date((year - 1970) * 365 + leap_days + day_of_year))
}

#[cfg(test)]
mod tests;
