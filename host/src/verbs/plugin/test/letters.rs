//! `--from-dead-letters`: messages that a step could not process become cases of its plugin, each with its original
//! bytes, the columns of its stream and the parameters of its step. What is expected is what the plugin makes of them
//! now, for somebody to read and correct. A case that is there already is left alone.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use millstream_pipeline::config::{Config, StepConfig, StreamConfig};
use millstream_pipeline::dead_letter::{self, Letter};
use millstream_testkit::{CaseFolder, Cuts, Found, Plugin, is_message_alone};
use serde::de::IgnoredAny;
use serde_json::json;
use toml::Table;

use super::super::build;
use super::session::Session;
use crate::exit::Usage;
use crate::verbs::dead_letters::each;
use crate::verbs::read_config;
use crate::{args, out};

/// Characters of a reason in the name of a case.
const SLUG_CHARACTERS_MAX: usize = 48;
/// Different reasons that become cases.
const REASONS_MAX: usize = 1000;

/// Writes the cases, and says what they expect.
pub async fn to_cases(args: args::Test) -> anyhow::Result<()> {
    let wasm = build::built(&args.plugin).await?;
    let session = Session::new()?;
    let plugin = session.load(&args.plugin, &wasm)?;
    let config = read_config(&args.letters.config)?;
    let steps = steps_of(&config, &plugin, args.letters.step.as_deref())?;
    let file: Table = fs::read_to_string(&args.letters.config.config)?.parse()?;
    let found = letters(&args, &steps).await?;
    let cases = super::cases(&args.plugin);
    let mut written = 0;
    for letter in found.values().flatten() {
        if let Some(folder) = free_folder(&cases, letter)? {
            let (stream, step) = steps[letter.step];
            write(&folder, letter, &settings(&file, stream, step, letter)?)?;
            say(&plugin, &cases, &folder, args.json)?;
            written += 1;
        }
    }
    if args.json {
        return Ok(());
    }
    match written {
        0 => out::line("no dead letter became a case: there is none, or each has its case already"),
        1 => out::line(
            "1 case: it expects what the plugin does now; read it, and correct what should be otherwise",
        ),
        _ => out::line(format_args!(
            "{written} cases: they expect what the plugin does now; read them, and correct what should be otherwise"
        )),
    }
}

type Steps<'a> = Vec<(&'a StreamConfig, &'a StepConfig)>;

/// The steps that run the plugin, or the one that the command line names.
fn steps_of<'a>(config: &'a Config, plugin: &Plugin, wanted: Option<&str>) -> anyhow::Result<Steps<'a>> {
    let all = config.streams.iter().flat_map(|stream| stream.steps.iter().map(move |step| (stream, step)));
    let is_wanted = |stream: &StreamConfig, step: &StepConfig| match wanted {
        Some(wanted) => wanted == step.name || wanted == format!("{}/{}", stream.name, step.name),
        None => [plugin.loaded().name(), &plugin.loaded().about().name].contains(&step.plugin.as_str()),
    };
    let steps: Steps<'_> = all.filter(|(stream, step)| is_wanted(stream, step)).collect();
    match (steps.is_empty(), wanted) {
        (false, _) => Ok(steps),
        (true, Some(wanted)) => {
            let text = format!("the configuration has no step {wanted}; name one as STEP or STREAM/STEP");
            Err(Usage(text).into())
        }
        (true, None) => {
            let name = plugin.loaded().name();
            let text = format!("no step of the configuration runs plugin `{name}`; name one with --step");
            Err(Usage(text).into())
        }
    }
}

/// A letter that becomes a case.
struct Kept {
    /// What its folder is called, but for a number at the end: several reasons may have one.
    name: String,
    /// Number of the step whose parameters it gets.
    step: usize,
    value: Vec<u8>,
    timestamp_us: Option<i64>,
    key: Option<Vec<u8>>,
    origin: String,
    reason: String,
}

/// Letters by their steps and reasons: as many of each as are wanted.
async fn letters(
    args: &args::Test,
    steps: &Steps<'_>,
) -> anyhow::Result<BTreeMap<(usize, String), Vec<Kept>>> {
    let args::LettersToCases { step: wanted, per_reason, lake, config } = &args.letters;
    let config = args::ConfigFile { config: config.config.clone() };
    let lake = args::LakeOrConfig { lake: lake.clone(), config, json: false };
    let filter = args::LetterFilter { stream: None, step: None, reason: None, since: None };
    let mut found: BTreeMap<(usize, String), Vec<Kept>> = BTreeMap::new();
    let mut shapeless = 0_u64;
    each(&filter, &lake, |letter| {
        let Some(step) = step_of(steps, letter, wanted.is_none()) else {
            return Ok(ControlFlow::Continue(()));
        };
        let key = (step, letter.reason.to_owned());
        let is_full =
            found.get(&key).map_or(found.len() >= REASONS_MAX, |kept| kept.len() >= per_reason.get());
        let Some(value) = letter.value.and_then(line_of) else {
            shapeless += 1;
            return Ok(ControlFlow::Continue(()));
        };
        let is_same = |kept: &Kept| kept.value == value && kept.key.as_deref() == letter.key;
        if !is_full && !found.get(&key).is_some_and(|kept| kept.iter().any(is_same)) {
            let origin = format!("{}/{}/{}", letter.topic, letter.partition, letter.offset);
            let (timestamp_us, reason) = (letter.timestamp_us, letter.reason.to_owned());
            let message_key = letter.key.map(<[u8]>::to_vec);
            let name = [letter.step, &slug(letter.reason)].join("-");
            found.entry(key).or_default().push(Kept {
                name,
                step,
                value,
                timestamp_us,
                key: message_key,
                origin,
                reason,
            });
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    if shapeless > 0 {
        tracing::warn!(
            letters = shapeless,
            "letters without a value, with line breaks in what is no JSON, or that begin with a key that input.jsonl \
             has for itself, as `_key` or `_watermark`, became no cases"
        );
    }
    Ok(found)
}

/// The step that a letter belongs to. What could not be decoded belongs to the first step of its stream that is looked at.
fn step_of(steps: &Steps<'_>, letter: &Letter<'_>, takes_undecoded: bool) -> Option<usize> {
    let is_undecoded = takes_undecoded && letter.step == dead_letter::DECODE;
    steps
        .iter()
        .position(|(stream, step)| stream.name == letter.stream && (step.name == letter.step || is_undecoded))
}

/// The folder for the case of a letter: the first of its name that is not there; none if one that is there has this
/// very message.
fn free_folder(cases: &Path, letter: &Kept) -> anyhow::Result<Option<PathBuf>> {
    let name = letter.name.trim_end_matches('-');
    for number in 1_u32.. {
        let folder = cases.join(format!("{name}-{number}"));
        match fs::read(folder.join("input.jsonl")) {
            Ok(input) if is_of(&folder, &input, letter) => return Ok(None),
            Err(_) if !folder.exists() => return Ok(Some(folder)),
            // Somebody else's, or one that cannot be read: it stays as it is.
            Ok(_) | Err(_) => {}
        }
    }
    bail!("there is no number left for a case {name}-…")
}

/// True if the case in `folder` has this very message, and its key.
fn is_of(folder: &Path, input: &[u8], letter: &Kept) -> bool {
    let settings = fs::read_to_string(folder.join("config.toml")).unwrap_or_default();
    let settings: Table = settings.parse().unwrap_or_default();
    let key = ["key", "key_hex"].into_iter().find_map(|name| settings.get_key_value(name));
    let wanted = letter.key.as_deref().map(message_key);
    input.trim_ascii_end() == letter.value.trim_ascii_end()
        && key == wanted.as_ref().map(|(name, value)| (name, value))
}

/// The line of `input.jsonl` that stands for a message; none if no line does, as one that says a key or moves the
/// watermark.
fn line_of(value: &[u8]) -> Option<Vec<u8>> {
    on_one_line(value).filter(|line| is_message_alone(line))
}

/// The message on one line: JSON means the same with blanks in place of line breaks, anything else does not.
fn on_one_line(value: &[u8]) -> Option<Vec<u8>> {
    let is_one_line = !value.contains(&b'\n');
    if is_one_line {
        return (!value.trim_ascii().is_empty()).then(|| value.to_vec());
    }
    let is_json = serde_json::from_slice::<IgnoredAny>(value).is_ok();
    let plain = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    is_json.then(|| value.iter().map(plain).collect())
}

/// A reason as a part of a folder's name.
fn slug(reason: &str) -> String {
    let mut slug = String::new();
    for letter in reason.chars().take(SLUG_CHARACTERS_MAX * 2) {
        match letter.to_ascii_lowercase() {
            plain if plain.is_ascii_alphanumeric() => slug.push(plain),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.truncate(SLUG_CHARACTERS_MAX);
    slug.trim_end_matches('-').to_owned()
}

/// `config.toml` of the case: the keys of the stream that make its schema as the configuration has them.
fn settings(file: &Table, stream: &StreamConfig, step: &StepConfig, letter: &Kept) -> anyhow::Result<String> {
    let mut settings = Table::new();
    settings.insert("input".to_owned(), stream.name.clone().into());
    if let Some(received) = letter.timestamp_us {
        let received = crate::units::moment(received);
        settings.insert("received".to_owned(), received.into());
    }
    settings.extend(letter.key.as_deref().map(message_key));
    let declared =
        file.get("streams").and_then(|streams| streams.get(&stream.name)).and_then(toml::Value::as_table);
    let declared =
        declared.context("the stream stands in no file; give its columns in the case's config.toml")?;
    for key in ["event_time", "unknown_fields"] {
        settings.extend(declared.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    settings.insert("config".to_owned(), toml::Value::try_from(&step.config)?);
    settings.extend(declared.get("schema").map(|value| ("schema".to_owned(), value.clone())));
    let Kept { origin, reason, .. } = letter;
    let comment = format!("# Dead letter {origin} of {}/{}: {}", stream.name, step.name, plain(reason));
    let before = match stream.steps.iter().position(|other| other.name == step.name) {
        Some(before @ 1..) => {
            format!("\n# {before} steps run before this one; here the plugin gets the message as it came.")
        }
        _ => String::new(),
    };
    Ok(format!("{comment}{before}\n{}", toml::to_string(&settings)?))
}

/// The key of a message, as `config.toml` says it.
fn message_key(key: &[u8]) -> (String, toml::Value) {
    match std::str::from_utf8(key) {
        Ok(text) => ("key".to_owned(), text.into()),
        Err(_) => ("key_hex".to_owned(), hex::encode(key).into()),
    }
}

/// On one line, for a comment.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

fn write(folder: &Path, letter: &Kept, settings: &str) -> anyhow::Result<()> {
    let cannot = |path: PathBuf| format!("cannot write {}", path.display());
    let parent = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).with_context(|| cannot(parent.to_owned()))?;
    fs::create_dir(folder).with_context(|| cannot(folder.to_owned()))?;
    for (name, bytes) in
        [("input.jsonl", &[&letter.value[..], b"\n"].concat()[..]), ("config.toml", settings.as_bytes())]
    {
        let path = folder.join(name);
        fs::write(&path, bytes).with_context(|| cannot(path))?;
    }
    Ok(())
}

/// Has the plugin process the new case, writes that as what is expected, and says what it is.
fn say(plugin: &Plugin, cases: &Path, folder: &Path, json: bool) -> anyhow::Result<()> {
    let folders = millstream_testkit::case_folders(cases)?;
    let case = folders.iter().find(|case| case.path() == folder);
    let case: &CaseFolder = case.context("the case that was just written has gone")?;
    let verdict = plugin.test_folder(case, Cuts { times: 0, ..Cuts::default() })?;
    let outcome = match &verdict.found {
        Found::Rows(outcomes) => {
            case.bless(outcomes)?;
            outcomes.first().map_or_else(|| "dropped".to_owned(), millstream_testkit::Outcome::to_line)
        }
        Found::Error(error) => {
            case.bless_error(error)?;
            error.clone()
        }
    };
    match json {
        true => out::line(json!({ "case": case.name(), "folder": folder, "now": outcome })),
        false => out::line(format_args!("{}\n  now {outcome}", folder.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_become_names() {
        let check = |reason: &str, expect: &str| assert_eq!(slug(reason), expect);
        check("`speed` is above the maximum", "speed-is-above-the-maximum");
        check("`bearing` is out of range [0, 360]", "bearing-is-out-of-range-0-360");
        check("../../etc/passwd", "etc-passwd");
        check("", "");
    }

    #[test]
    fn a_key_is_text_where_it_can_be() {
        assert_eq!(message_key("wohnküche".as_bytes()), ("key".to_owned(), "wohnküche".into()));
        assert_eq!(message_key(&[0, 255]), ("key_hex".to_owned(), "00ff".into()));
    }

    /// The second of two reasons with one slug once became no case.
    #[test]
    fn a_case_takes_the_next_free_folder_unless_its_message_has_one() {
        let cases = tempfile::tempdir().unwrap();
        let letter = |value: &str| Kept {
            name: "step-too-low".to_owned(),
            step: 0,
            value: value.into(),
            timestamp_us: None,
            key: None,
            origin: String::new(),
            reason: String::new(),
        };
        let check = |value: &str, expect: Option<&str>| {
            let folder = free_folder(cases.path(), &letter(value)).unwrap();
            assert_eq!(folder, expect.map(|name| cases.path().join(name)), "{value}");
            folder.iter().for_each(|folder| write(folder, &letter(value), "").unwrap());
        };
        check("{\"a\":-5}", Some("step-too-low-1"));
        check("{\"a\":5}", Some("step-too-low-2"));
        check("{\"a\":-5}", None);
    }

    #[test]
    fn a_message_becomes_a_line_only_if_it_stays_what_it_is() {
        let check = |value: &str, expect: Option<&str>| {
            assert_eq!(line_of(value.as_bytes()), expect.map(|text| text.as_bytes().to_vec()), "{value}");
        };
        check("{ \"a\": 1 }", Some("{ \"a\": 1 }"));
        check("{\n\"a\": 1}", Some("{ \"a\": 1}"));
        check("no\njson", None);
        check("{\"_watermark\":1,\"a\":1}", None);
        check("{\n\"_key\":\"z\"}", None);
        check("{\"a\":1,\"_key\":\"z\"}", Some("{\"a\":1,\"_key\":\"z\"}"));
        check(" ", None);
    }
}
