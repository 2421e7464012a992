//! A proposal as the section of a configuration: TOML that can be used as it is, with comments that say
//! what each line rests on.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::finding::FindingKind;
use super::infer::{Proposal, ProposedColumn};

/// Characters of examples on a line, beyond the first.
const EXAMPLES_CHARACTERS_MAX: usize = 48;
/// What a string takes when text is written to it.
const TAKES_TEXT: &str = "a string takes any text";

/// The section `[streams.NAME]` with its schema.
pub fn toml(proposal: &Proposal) -> String {
    let mut text = String::new();
    comment(&mut text, &format!("proposed from {} messages of topic {}", proposal.messages, proposal.topic));
    let beside_aliases = proposal.findings.iter().filter(|finding| {
        use FindingKind::{DeclaredAlias, Initials, MisspeltField, OtherSpelling};
        !matches!(finding.kind, MisspeltField | OtherSpelling | Initials | DeclaredAlias)
    });
    beside_aliases.for_each(|finding| comment(&mut text, &finding.message));
    writeln!(text, "[streams.{}]\ntopic = {}", proposal.stream, quoted(&proposal.topic)).expect(TAKES_TEXT);
    event_time(&mut text, proposal);
    writeln!(text, "\n[streams.{}.schema]", proposal.stream).expect(TAKES_TEXT);
    let mut said = BTreeSet::new();
    for column in &proposal.columns {
        for why in column.aliases.iter().filter_map(|alias| alias.why.as_deref()) {
            if said.insert(why) {
                comment(&mut text, why);
            }
        }
        let basis = basis(column, proposal.messages);
        writeln!(text, "{} = {}  # {}", key(&column.name), value(column), plain(&basis)).expect(TAKES_TEXT);
    }
    text
}

fn event_time(text: &mut String, proposal: &Proposal) {
    let Some(event_time) = &proposal.event_time else { return };
    let column = quoted(&event_time.column);
    let line = match (event_time.zone_missing, event_time.epoch) {
        (true, _) => format!(
            "# event_time = {{ column = {column}, zone = \"Area/City\" }}  # its texts state no zone: name theirs"
        ),
        (false, Some(unit)) => format!("event_time = {{ column = {column}, epoch = \"{unit}\" }}"),
        (false, None) => format!("event_time = {column}"),
    };
    writeln!(text, "{line}").expect(TAKES_TEXT);
}

/// `"float64"`, or a table if there is more to say.
fn value(column: &ProposedColumn) -> String {
    let mut parts = vec![format!("type = \"{}\"", column.r#type)];
    if column.required {
        parts.push("required = true".to_owned());
    }
    parts.extend(column.mismatch.map(|mismatch| format!("mismatch = \"{mismatch}\"")));
    parts.extend(column.zone.as_ref().map(|zone| format!("zone = {}", quoted(zone))));
    parts.extend(column.path.as_ref().map(|path| format!("path = {}", quoted(path))));
    if !column.aliases.is_empty() {
        let aliases: Vec<_> = column.aliases.iter().map(|alias| quoted(&alias.path)).collect();
        parts.push(format!("aliases = [{}]", aliases.join(", ")));
    }
    match parts.as_slice() {
        [_] => format!("\"{}\"", column.r#type),
        parts => format!("{{ {} }}", parts.join(", ")),
    }
}

/// How often the column is there, with examples.
fn basis(column: &ProposedColumn, messages: u64) -> String {
    let mut text = match (column.messages, column.nulls) {
        (there, 0) if there == messages => "always".to_owned(),
        (there, 0) => format!("in {}", share(there, messages)),
        (there, nulls) => format!("in {}, null in {}", share(there, messages), share(nulls, messages)),
    };
    let mut shown = 0;
    for (number, example) in column.examples.iter().enumerate() {
        shown += example.chars().count();
        if number > 0 && shown > EXAMPLES_CHARACTERS_MAX {
            break;
        }
        write!(text, "{} {example}", if number == 0 { ";" } else { "," }).expect(TAKES_TEXT);
    }
    for hint in &column.hints {
        write!(text, "; {hint}").expect(TAKES_TEXT);
    }
    text
}

/// `12.5 %`; never `0.0 %` of something, nor `100.0 %` of less than all.
fn share(part: u64, all: u64) -> String {
    let percent = 100.0 * part as f64 / all.max(1) as f64;
    match percent {
        _ if part == all => "100 %".to_owned(),
        _ if part > 0 && percent < 0.1 => "less than 0.1 %".to_owned(),
        _ => format!("{:.1} %", percent.min(99.9)),
    }
}

fn comment(text: &mut String, line: &str) {
    writeln!(text, "# {}", plain(line)).expect(TAKES_TEXT);
}

/// Without what a comment may not hold.
fn plain(text: &str) -> String {
    text.replace(|letter: char| letter.is_control(), " ")
}

fn key(name: &str) -> String {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}

/// A TOML string. What JSON escapes, TOML reads the same; names hold no control characters.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
