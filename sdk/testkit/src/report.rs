//! A verdict for people: expected and found under each other, for the columns that differ and nothing else.

use std::fmt::Write as _;

use serde_json::Value;

use crate::difference::Difference;
use crate::verdict::{CutDifference, Verdict};

/// Differences of a case that are shown.
const SHOWN_MAX: usize = 10;
/// Log lines of a case that are shown.
const LOGS_MAX: usize = 20;
/// Characters of a message that are shown.
const MESSAGE_CHARACTERS_MAX: usize = 200;
/// Batches of a cut that are shown.
const BATCHES_MAX: usize = 24;
/// What a string takes when text is written to it.
const TAKES_TEXT: &str = "a string takes any text";

/// Whether a report is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// For a terminal.
    Yes,
    /// For everything else.
    No,
}

impl Colours {
    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Yes => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::No => text.to_owned(),
        }
    }
}

const RED: &str = "31";
const GREEN: &str = "32";
const BOLD: &str = "1";
const FAINT: &str = "2";

/// What is wrong with a case: nothing if it passed, or says nothing of what is expected.
pub fn report(verdict: &Verdict, colours: Colours) -> String {
    let mut text = String::new();
    if verdict.is_as_expected() && verdict.cut.is_none() {
        return text;
    }
    let mut paper = Paper { text: &mut text, verdict, colours };
    paper.line(0, &colours.paint(BOLD, &format!("case {}", verdict.case)));
    if let Some(error) = &verdict.error {
        let found = error.found.as_deref().unwrap_or("no error");
        paper.both(2, &error.expected, found);
    }
    paper.differences(&verdict.differences);
    if let Some(cut) = &verdict.cut {
        paper.cut(cut);
    }
    paper.logs();
    text
}

struct Paper<'a> {
    text: &'a mut String,
    verdict: &'a Verdict,
    colours: Colours,
}

impl Paper<'_> {
    fn line(&mut self, indent: usize, text: &str) {
        let indented = text.replace('\n', &format!("\n{:indent$}", ""));
        writeln!(self.text, "{:indent$}{indented}", "").expect(TAKES_TEXT);
    }

    fn both(&mut self, indent: usize, expected: &str, found: &str) {
        let (expected, found) =
            (format!("expected  {}", visible(expected)), format!("found     {}", visible(found)));
        self.line(indent, &self.colours.paint(GREEN, &expected));
        self.line(indent, &self.colours.paint(RED, &found));
    }

    fn differences(&mut self, differences: &[Difference]) {
        for difference in differences.iter().take(SHOWN_MAX) {
            self.difference(difference);
        }
        if let Some(more @ 1..) = differences.len().checked_sub(SHOWN_MAX) {
            self.line(2, &format!("… and {more} more differences; --json shows all"));
        }
    }

    fn difference(&mut self, difference: &Difference) {
        let message = difference.line.and_then(|line| self.verdict.message(line));
        let message = message.map_or_else(String::new, |message| format!("  {}", start(message)));
        let place = match (&difference.place, difference.line, difference.expected_at) {
            (Some(place), Some(line), _) => format!("{place}, line {line}"),
            (Some(place), None, _) => place.clone(),
            (None, Some(line), _) => format!("line {line}"),
            (None, None, Some(at)) => format!("line {at} of expected.jsonl"),
            (None, None, None) => "a row".to_owned(),
        };
        self.line(2, &format!("{place}{}", self.colours.paint(FAINT, &message)));
        for column in &difference.columns {
            let shown = |value: &Option<Value>| {
                value.as_ref().map_or_else(|| "no such column".to_owned(), Value::to_string)
            };
            self.line(4, &column.column);
            self.both(6, &shown(&column.expected), &shown(&column.found));
        }
        if difference.columns.is_empty() {
            let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
            self.both(4, &shown(&difference.expected), &shown(&difference.found));
        }
    }

    fn cut(&mut self, cut: &CutDifference) {
        let batches = cut.batches.iter().take(BATCHES_MAX);
        let sizes = batches.map(|(rows, is_fresh)| {
            let rows = if *rows == 0 { "|".to_owned() } else { rows.to_string() };
            format!("{rows}{}", if *is_fresh { "*" } else { "" })
        });
        let more = if cut.batches.len() > BATCHES_MAX { " …" } else { "" };
        let timers = cut.timers_per_call.map_or_else(String::new, |timers| {
            format!("; | is a move of the watermark, with timers {timers} to a call")
        });
        let is_of_state = |difference: &Difference| difference.line.is_none() && difference.place.is_some();
        let what = match cut.differences.iter().all(is_of_state) {
            true => "other state is left",
            false => "other rows come out",
        };
        let uncut = if cut.timers_per_call.is_some() { "without a cut" } else { "in one batch" };
        self.line(
            2,
            &format!(
                "cut into batches, {what} than {uncut}: the plugin keeps something from call to call\n\
                 batches of {}{more} rows (* met a fresh instance{timers}); --seed {} --case {} cuts the same again\n\
                 expected is what came out {uncut}:",
                sizes.collect::<Vec<_>>().join(" "),
                cut.seed,
                self.verdict.case
            ),
        );
        self.differences(&cut.differences);
    }

    fn logs(&mut self) {
        let verdict = self.verdict;
        if verdict.logs.is_empty() {
            return;
        }
        self.line(2, "it logged");
        for logged in verdict.logs.iter().take(LOGS_MAX) {
            self.line(4, &visible(&logged.to_string()));
        }
        if let Some(more @ 1..) = verdict.logs.len().checked_sub(LOGS_MAX) {
            self.line(4, &format!("… and {more} more lines"));
        }
    }
}

/// Text without what would move a terminal's cursor.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

fn start(message: &str) -> String {
    let mut start: String = visible(&message.chars().take(MESSAGE_CHARACTERS_MAX).collect::<String>());
    if message.chars().nth(MESSAGE_CHARACTERS_MAX).is_some() {
        start.push('…');
    }
    start
}
