//! Tests plugins in the engine they run in. A [`Plugin`] and a [`Case`] enter: messages with their schema, the
//! plugin's parameters, and what is expected of each message; a [`Verdict`] leaves, which says how what came out
//! differs. Every case is run once in one batch, and again with its rows cut at random into batches ([`Cuts`]), some of
//! which meet a fresh instance: a plugin that keeps anything in its own memory is found out. A plugin that keeps state
//! is given moves of the watermark between its rows, and is asked what its timers do.
//!
//! Cases are folders, the same that `millstream plugin test` runs, or values made in a test:
//!
//! ```
//! use millstream_testkit::{Case, Cuts, Plugin};
//!
//! # let wasm = millstream_guests::wasm("cleanse-vehicle");
//! let plugin = Plugin::load(&wasm)?;
//! let case = Case::new("speed")
//!     .schema(
//!         r#"timestamp = "string"
//!            "location.lat" = "float64"
//!            "location.lon" = "float64"
//!            speed = "float64"
//!            direction = "string"
//!            make = "string"
//!            model = "string"
//!            fuelType = "string""#,
//!     )?
//!     .config(serde_json::json!({ "zone": "Europe/London", "speed_unit": "m/s" }))
//!     .message(r#"{"timestamp": "2026-01-01T08:00:00", "location": {"lat": 51.5, "lon": -0.1}, "speed": 10}"#)
//!     .message(r#"{"timestamp": "2026-01-01T08:00:00", "location": {"lat": 51.5, "lon": -0.1}, "speed": -1}"#);
//! let run = plugin.run(&case)?;
//! assert_eq!(run.passed()[0]["speed"], 36.0);
//! assert_eq!(run.rejected(), [(2, "`speed` is negative")]);
//!
//! plugin.test(&case.expect(run.outcomes()), Cuts::default())?.assert();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A folder of cases is one test of a crate on the host's side:
//!
//! ```
//! # let wasm = millstream_guests::wasm("cleanse-vehicle");
//! # let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/cleanse-vehicle/cases");
//! millstream_testkit::assert_cases(&wasm, cases.as_ref());
//! ```

mod align;
mod case;
mod cuts;
mod difference;
mod error;
mod expected;
mod folder;
mod instance;
mod logs;
mod lookup;
mod material;
mod messages;
mod offline;
mod outcome;
mod plugin;
mod report;
mod sequence;
mod settings;
mod timer;
mod value;
mod verdict;

use std::path::Path;

pub use case::Case;
pub use cuts::Cuts;
pub use difference::{ColumnDifference, Difference};
pub use error::CaseError;
pub use expected::Expected;
pub use folder::{CaseFolder, case_folders};
pub use logs::{LogLine, captured};
pub use material::Material;
pub use offline::engine;
pub use outcome::{Fate, Outcome, Row, lines};
pub use plugin::{Plugin, Run};
pub use report::{Colours, report};
pub use sequence::is_message_alone;
pub use verdict::{CutDifference, ErrorDifference, Found, Verdict};

/// Runs every case in the folder `cases` with the plugin in the file `wasm`, each in all its cuts, however long they take.
///
/// # Panics
/// If the plugin or a case cannot be read, or a case fails; the message is what `millstream plugin test` prints.
pub fn assert_cases(wasm: &Path, cases: &Path) {
    let plugin = Plugin::load(wasm).unwrap_or_else(|error| panic!("{error}"));
    let folders = case_folders(cases).unwrap_or_else(|error| panic!("{error}"));
    let cuts = Cuts { within: None, ..Cuts::default() };
    let tested = folders.iter().map(|folder| match plugin.test_folder(folder, cuts) {
        Ok(verdict) if verdict.is_passed() => String::new(),
        Ok(verdict) => report(&verdict, Colours::No),
        Err(error) => format!("{}: {error}\n", folder.name()),
    });
    let failures: String = tested.collect();
    assert!(failures.is_empty(), "\n{failures}");
}
