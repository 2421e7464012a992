//! The verdict on one case: what came out, and how it differs from what is expected.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::case::Case;
use crate::difference::Difference;
use crate::expected::Expected;
use crate::logs::LogLine;
use crate::messages::Prepared;
use crate::outcome::Outcome;
use crate::report::{Colours, report};

/// What a test of a case found.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Name of the case.
    pub case: String,
    /// Messages, or rows, of its input.
    pub messages: usize,
    /// Whether it says what is expected.
    pub has_expectation: bool,
    /// Outcomes that are not as expected.
    pub differences: Vec<Difference>,
    /// An error that is not as expected: which one is, and which one was found.
    pub error: Option<ErrorDifference>,
    /// A cut that changes what comes out.
    pub cut: Option<CutDifference>,
    /// Cuts that were not begun, since those before, or the whole, took too long.
    pub cuts_left_out: u32,
    /// What the plugin logged in the run in one batch.
    pub logs: Vec<LogLine>,
    /// What came out.
    pub found: Found,
    /// Messages by their lines.
    pub(crate) texts: BTreeMap<u64, String>,
}

/// What came out of a case.
#[derive(Clone, Debug)]
pub enum Found {
    /// Outcomes of its messages.
    Rows(Vec<Outcome>),
    /// The plugin cannot be used like this.
    Error(String),
}

/// An error that is not as expected.
#[derive(Clone, Debug)]
pub struct ErrorDifference {
    /// The error that is expected.
    pub expected: String,
    /// The error that was found; none if there was none.
    pub found: Option<String>,
}

/// A cut that changes what comes out.
#[derive(Clone, Debug)]
pub struct CutDifference {
    /// Seed of the cuts.
    pub seed: u64,
    /// Rows of each batch, and whether it met a fresh instance; a move of the watermark has no rows.
    pub batches: Vec<(usize, bool)>,
    /// Timers of a call, if the watermark moved.
    pub timers_per_call: Option<usize>,
    /// How outcomes, and what is left of state and timers, differ from those without a cut.
    pub differences: Vec<Difference>,
}

impl Verdict {
    pub(crate) fn new(case: &Case, prepared: &Prepared) -> Self {
        Self {
            case: case.name.clone(),
            messages: prepared.messages(),
            has_expectation: case.expected.is_some(),
            differences: Vec::new(),
            error: None,
            cut: None,
            cuts_left_out: 0,
            logs: Vec::new(),
            found: Found::Rows(Vec::new()),
            texts: prepared.texts.clone(),
        }
    }

    /// Notes that the plugin cannot be used.
    pub(crate) fn failed_with(&mut self, error: String, expected: Option<&Expected>) {
        if let Some(Expected::Error(expected)) = expected.filter(|expected| !is(expected, &error)) {
            self.error = Some(ErrorDifference { expected: expected.clone(), found: Some(error.clone()) });
        }
        self.found = Found::Error(error);
    }

    /// Notes that the plugin can be used although it should not.
    pub(crate) fn expects_error(&mut self, text: &str) {
        self.error = Some(ErrorDifference { expected: text.to_owned(), found: None });
    }

    /// True if everything is as expected, in every cut.
    pub fn is_passed(&self) -> bool {
        self.has_expectation && self.is_as_expected() && self.cut.is_none()
    }

    /// True if nothing differs from what is expected, as far as the case says that.
    pub fn is_as_expected(&self) -> bool {
        self.differences.is_empty() && self.error.is_none()
    }

    /// The message on this line of the input.
    pub fn message(&self, line: u64) -> Option<&str> {
        self.texts.get(&line).map(String::as_str)
    }

    /// For `#[test]`.
    ///
    /// # Panics
    /// If something is not as expected; the message says what.
    #[track_caller]
    pub fn assert(&self) {
        assert!(self.is_passed(), "\n{}", report(self, Colours::No));
    }

    /// For scripts.
    pub fn json(&self) -> Value {
        let with_message = |difference: &Difference| {
            let mut value = serde_json::to_value(difference).unwrap_or_default();
            value["message"] = difference.line.and_then(|line| self.message(line)).into();
            value
        };
        let listed = |differences: &[Difference]| differences.iter().map(with_message).collect::<Vec<_>>();
        json!({
            "case": self.case,
            "passed": self.is_passed(),
            "messages": self.messages,
            "differences": listed(&self.differences),
            "error": self.error.as_ref().map(|error| json!({ "expected": error.expected, "found": error.found })),
            "cut": self.cut.as_ref().map(|cut| json!({
                "seed": cut.seed,
                "batches": cut.batches.iter().map(|(rows, is_fresh)| json!({ "rows": rows, "fresh": is_fresh })).collect::<Vec<_>>(),
                "timers_per_call": cut.timers_per_call,
                "differences": listed(&cut.differences),
            })),
            "cuts_left_out": self.cuts_left_out,
            "logs": self.logs,
        })
    }
}

fn is(expected: &Expected, error: &str) -> bool {
    matches!(expected, Expected::Error(expected) if expected.trim_end() == error.trim_end())
}
