//! `millstream schema infer|check`: looks at a sample of topics, without joining a group or committing
//! anything, and proposes schemas or compares messages with the declared ones.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use millstream_model::MessageBatch;
use millstream_pipeline::config::{Config, ConfigError, StreamConfig};
use millstream_pipeline::discover::{
    self, ColumnNulls, Place, Proposal, StreamCheck, StreamDrift, TopicProfile, Vocabulary,
};
use millstream_pipeline::source::{self, FilesSettings, KafkaSettings, SourceSettings};
use serde_json::json;

use crate::{args, out};

/// Configuration that is read if the command line names none and no source.
const CONFIG: &str = "millstream.toml";
/// Group of the client that looks at Kafka; it never joins it.
const GROUP: &str = "millstream-schema";
/// Columns with nulls that a report names.
const COLUMNS_SHOWN: usize = 8;
/// New fields that a report names.
const NEW_SHOWN: usize = 20;
/// What a string takes when text is written to it.
const TAKES_TEXT: &str = "a string takes any text";

/// Proposes or checks.
pub fn schema(verb: args::Schema) -> anyhow::Result<()> {
    match verb {
        args::Schema::Infer(args) => infer(&args),
        args::Schema::Check(args) => check(&args),
    }
}

fn infer(args: &args::Infer) -> anyhow::Result<()> {
    // Named twice, a topic is still one.
    let mut seen = HashSet::new();
    let topics: Vec<&str> =
        args.topic.iter().map(String::as_str).filter(|topic| seen.insert(*topic)).collect();
    let names = stream_names(args, &topics)?;
    let mut vocabulary = Vocabulary::default();
    let source = known(args, &mut vocabulary)?;
    let mut profiles = Vec::new();
    for topic in topics {
        let mut profile = TopicProfile::new(topic);
        source::sample(&source, topic, args.limit, &mut |batch| profile.observe(batch))?;
        if profile.messages() == 0 {
            let reasons: Vec<_> = profile.malformed().keys().map(String::as_str).collect();
            let why = if reasons.is_empty() { "it is empty".to_owned() } else { reasons.join("; ") };
            bail!("topic `{topic}` in {source} holds no JSON object to learn from: {why}");
        }
        profiles.push(profile);
    }
    profiles.iter().for_each(|profile| vocabulary.add_topic(profile));
    let proposals: Vec<_> = profiles
        .iter()
        .zip(&names)
        .map(|(profile, name)| discover::infer(profile, name, &vocabulary, args.zone.as_deref()))
        .collect();
    show(args, &proposals)
}

/// Prints the proposals, or writes them and says so.
fn show(args: &args::Infer, proposals: &[Proposal]) -> anyhow::Result<()> {
    let sections: Vec<_> = proposals.iter().map(discover::toml).collect();
    let text = sections.join("\n");
    if let Some(path) = &args.output {
        std::fs::write(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.json {
        return proposals.iter().zip(sections).try_for_each(|(proposal, section)| {
            let mut object = serde_json::to_value(proposal)?;
            object["toml"] = json!(section);
            out::line(object)
        });
    }
    let Some(path) = &args.output else { return out::text(text) };
    for proposal in proposals {
        let columns = proposal.columns.len();
        out::line(format_args!(
            "{}: stream {} with {columns} columns, from {} messages of topic {}",
            path.display(),
            proposal.stream,
            proposal.messages,
            proposal.topic
        ))?;
        for finding in &proposal.findings {
            out::line(format_args!("  {}", shown(&finding.message)))?;
        }
    }
    Ok(())
}

fn stream_names(args: &args::Infer, topics: &[&str]) -> anyhow::Result<Vec<String>> {
    let Some(name) = &args.stream else {
        return Ok(discover::stream_names(topics.iter().copied()));
    };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if topics.len() > 1 {
        return Err(wrong("--stream", "names one stream, and there are several topics; leave it out"));
    }
    if name.is_empty() || !name.chars().all(plain) {
        return Err(wrong("--stream", "a stream's name has letters, digits, `_` and `-` only"));
    }
    Ok(vec![name.clone()])
}

/// The source to look at; the names that configurations declare go into `vocabulary`.
fn known(args: &args::Infer, vocabulary: &mut Vocabulary) -> anyhow::Result<SourceSettings> {
    let named = match (&args.brokers, &args.dir) {
        (Some(brokers), _) => Some(SourceSettings::Kafka(KafkaSettings::new(brokers, GROUP))),
        (None, Some(dir)) => Some(SourceSettings::Files(FilesSettings::new(dir))),
        (None, None) => None,
    };
    let config = args.config.as_deref().or(named.is_none().then_some(Path::new(CONFIG)));
    if named.is_none() && args.config.is_none() && !Path::new(CONFIG).exists() {
        return Err(wrong(
            "--brokers",
            &format!(
                "no source to look at; name one with --brokers or --dir, or a configuration with --config (there is no {CONFIG} here)"
            ),
        ));
    }
    let config = config.map(read_config).transpose()?;
    let mut learn = |streams: &[StreamConfig]| {
        streams.iter().for_each(|stream| vocabulary.add_schema(&stream.name, &stream.schema));
    };
    for path in &args.against {
        learn(&read_config(path)?.streams);
    }
    let Some(config) = config else { return named.context("neither a source nor a configuration") };
    learn(&config.streams);
    Ok(match (named, config.source) {
        (Some(SourceSettings::Kafka(kafka)), SourceSettings::Kafka(configured)) => {
            SourceSettings::Kafka(KafkaSettings { brokers: kafka.brokers, ..configured })
        }
        (Some(named), _) => named,
        (None, configured) => configured,
    })
}

fn read_config(path: &Path) -> anyhow::Result<Config> {
    Ok(Config::read_without_steps(path, std::env::vars())?)
}

fn check(args: &args::Check) -> anyhow::Result<()> {
    let config = read_config(&args.config.config)?;
    let is_wanted = |stream: &&StreamConfig| args.stream.as_ref().is_none_or(|name| *name == stream.name);
    let streams: Vec<_> = config.streams.iter().filter(is_wanted).collect();
    if streams.is_empty() {
        let known: Vec<_> = config.streams.iter().map(|stream| stream.name.as_str()).collect();
        return Err(wrong("--stream", &format!("no such stream; there are: {}", known.join(", "))));
    }
    let (mut drifted, mut empty) = (Vec::new(), Vec::new());
    for stream in streams {
        let mut check = StreamCheck::new(&stream.name, &stream.topic, stream.schema.clone())?;
        let mut observe = |batch: &MessageBatch| check.observe(batch);
        source::sample(&config.source, &stream.topic, args.limit, &mut observe)?;
        let report = check.report();
        if report.drift {
            drifted.push(stream.name.as_str());
        }
        if report.messages == 0 {
            empty.push(stream.name.as_str());
        }
        if args.json { out::line(serde_json::to_string(&report)?)? } else { out::text(describe(&report))? }
    }
    match (drifted.as_slice(), empty.as_slice()) {
        ([], []) => Ok(()),
        ([], empty) => bail!("there is nothing to look at of {}", empty.join(", ")),
        (drifted, []) => bail!("messages have drifted from the schema of {}", drifted.join(", ")),
        (drifted, empty) => bail!(
            "messages have drifted from the schema of {}, and there is nothing to look at of {}",
            drifted.join(", "),
            empty.join(", ")
        ),
    }
}

/// The report for a person.
fn describe(report: &StreamDrift) -> String {
    let StreamDrift { stream, topic, messages, .. } = report;
    let outcome = match report {
        StreamDrift { messages: 0, .. } => "nothing to look at",
        StreamDrift { drift: true, .. } => "drift",
        _ => "as declared",
    };
    let mut text = format!("stream {stream} from topic {topic}: {messages} messages looked at, {outcome}\n");
    let mut row = |kind: &str, name: &str, about: String| {
        writeln!(text, "  {kind:<10} {:<24} {}", shown(name), shown(&about)).expect(TAKES_TEXT);
    };
    for new in report.new_fields.iter().take(NEW_SHOWN) {
        let hint = new.looks_like.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
        row(
            "new",
            &new.field,
            format!("{} in {}{}{hint}", new.r#type, percent(new.share), first(new.example)),
        );
    }
    if report.new_fields.len() > NEW_SHOWN {
        row("new", "…", format!("and {} more; --json lists all", report.new_fields.len() - NEW_SHOWN));
    }
    for column in &report.never_seen {
        row("never seen", column, "no message has it".to_owned());
    }
    for found in &report.problems {
        let kind = if found.missing { "required" } else { "type" };
        let about = format!("{} in {}{}", found.problem, percent(found.share), first(found.example));
        row(kind, &found.column, about);
    }
    let is_seen = |column: &&ColumnNulls| !report.never_seen.contains(&column.column);
    let mut nulls: Vec<_> = report.nulls.iter().filter(|column| column.share > 0.0).filter(is_seen).collect();
    nulls.sort_by(|a, b| b.share.total_cmp(&a.share));
    for column in nulls.iter().take(COLUMNS_SHOWN) {
        row("nulls", &column.column, percent(column.share));
    }
    if nulls.len() > COLUMNS_SHOWN {
        row("nulls", "…", format!("and {} more columns", nulls.len() - COLUMNS_SHOWN));
    }
    for (reason, count) in &report.malformed {
        row("malformed", &count.to_string(), reason.clone());
    }
    text
}

fn first(place: Option<Place>) -> String {
    place.map_or(String::new(), |at| format!(", first at {}/{}", at.partition, at.offset))
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent > 0.0 && percent < 0.1 => "less than 0.1 %".to_owned(),
        percent if share < 1.0 => format!("{:.1} %", percent.min(99.9)),
        _ => "100 %".to_owned(),
    }
}

/// Names and values are the producer's; they may not move the cursor.
fn shown(text: &str) -> String {
    text.replace(|letter: char| letter.is_control(), " ")
}

/// A command line that cannot be used.
fn wrong(flag: &str, message: &str) -> anyhow::Error {
    ConfigError::Invalid { place: flag.to_owned(), key: String::new(), message: message.to_owned() }.into()
}
