//! Proposes a stream's schema. The profile of its topic and the names known from elsewhere enter; columns,
//! event time and findings leave. A message of the sample that is a JSON object decodes under it.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::TimeUnit;
use millstream_model::columns::{self, DAY};
use millstream_model::schema::ColumnType;
use serde::Serialize;

use super::aliases::{Better, better_names};
use super::coordinates::Pairs;
use super::event_time::{self, ProposedEventTime};
use super::field::{FieldProfile, Kind, MessageSet};
use super::finding::{self, Finding, FindingKind, alias_message};
use super::leaves::{Leaf, Leaves, leaves};
use super::profile::TopicProfile;
use super::shape::{Class, Shape, are_most, fitting, kinds, type_name, unify};
use super::vocabulary::Vocabulary;

/// Examples of a column.
const EXAMPLES_MAX: usize = 3;

/// A stream as proposed.
#[derive(Clone, Debug, Serialize)]
pub struct Proposal {
    /// Name of the stream.
    pub stream: String,
    /// Its topic.
    pub topic: String,
    /// Messages looked at that are JSON objects.
    pub messages: u64,
    /// Event time, if a column can be it.
    pub event_time: Option<ProposedEventTime>,
    /// Columns, in the order in which messages have them.
    pub columns: Vec<ProposedColumn>,
    /// What else was noticed.
    pub findings: Vec<Finding>,
}

/// A column as proposed.
#[derive(Clone, Debug, Serialize)]
pub struct ProposedColumn {
    /// Name; dots name nested leaves.
    pub name: String,
    /// Type, as the configuration writes it.
    pub r#type: &'static str,
    /// Zone of date-times that state none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// In every message, never null, and always of the type.
    pub required: bool,
    /// `null` if a few values are not of the type: they leave the column null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<&'static str>,
    /// The field, where the column has another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Other fields that are this one.
    pub aliases: Vec<Alias>,
    /// Messages that have it, null or not.
    pub messages: u64,
    /// Nulls among them.
    pub nulls: u64,
    /// A few values as JSON.
    pub examples: Vec<String>,
    /// What to think about.
    pub hints: Vec<String>,
    /// What its texts are, if event time could be read from it.
    #[serde(skip)]
    pub(super) time: Option<TimeKind>,
    #[serde(skip)]
    found: MessageSet,
    /// Values that are not of the type.
    #[serde(skip)]
    misfits: u64,
}

/// How event time can be read from a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeKind {
    /// It is an instant.
    Instant,
    /// Its texts state no zone.
    Local,
    /// It counts units since 1970.
    Epoch(TimeUnit),
}

/// Another field that is this column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alias {
    /// Where it is: `locatoin[0]`.
    pub path: String,
    /// Why it is the same, if that is a guess.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Proposes the stream called `stream` for a topic. `zone` is that of date-times that state none, if it is
/// known.
pub fn infer(profile: &TopicProfile, stream: &str, vocabulary: &Vocabulary, zone: Option<&str>) -> Proposal {
    let Leaves { kept: leaves, left_out, objects } = leaves(profile);
    let better = agreeing(&leaves, better_names(profile, &leaves, vocabulary));
    let mut findings = Vec::new();
    let mut columns: Vec<ProposedColumn> = Vec::new();
    for group in groups(&leaves, &better) {
        for column in (Inference { profile, vocabulary, zone }).columns(&group, &mut findings) {
            add(&mut columns, column);
        }
    }
    for column in &mut columns {
        column.mismatch = (column.misfits > 0).then_some("null");
        let is_always = column.nulls == 0 && column.found.len() == profile.messages();
        column.required = is_always && column.mismatch.is_none();
    }
    findings.extend(objects.iter().filter_map(|path| mixed_object(profile, path)));
    findings.extend(finding::rare_fields(left_out));
    for (leaf, better) in leaves.iter().zip(&better) {
        let name = better.as_ref().map_or(&leaf.path, |better| &better.path);
        findings.extend(finding::misspelt_values(profile, (&leaf.path, name), vocabulary));
    }
    findings.extend(finding::of_topic(profile));
    Proposal {
        stream: stream.to_owned(),
        topic: profile.topic().to_owned(),
        messages: profile.messages(),
        event_time: event_time::propose(&columns, zone),
        columns,
        findings,
    }
}

/// An object whose members are columns, if some of its values are none.
fn mixed_object(profile: &TopicProfile, path: &str) -> Option<Finding> {
    let field = profile.field(path)?;
    let (objects, all) = (field.objects.count, field.count());
    let example =
        field.example_beside(&[Kind::Object]).map_or(String::new(), |text| format!(", such as {text}"));
    let message = format!(
        "`{path}` is an object in {objects} of {all} messages; in the others{example} its columns are null"
    );
    let finding = Finding { kind: FindingKind::MixedKinds, field: path.to_owned(), like: None, message };
    (objects < all).then_some(finding)
}

/// Better names, but not for a field that does not agree with every other one that has the same.
fn agreeing(leaves: &[Leaf], mut better: Vec<Option<Better>>) -> Vec<Option<Better>> {
    for number in 0..leaves.len() {
        let Some(name) = better[number].as_ref().map(|better| better.path.clone()) else { continue };
        let rivals = leaves.iter().zip(&better).take(number);
        let same = rivals.filter(|(leaf, better)| better.as_ref().map_or(&leaf.path, |b| &b.path) == &name);
        let class = leaves[number].shape.class();
        if !same.map(|(leaf, _)| leaf.shape.class()).all(|other| class.agrees_with(other)) {
            better[number] = None;
        }
    }
    better
}

/// Fields that are one column: its name, and each field with its reason.
struct Group<'a> {
    name: &'a str,
    members: Vec<(&'a Leaf, Option<&'a Better>)>,
}

fn groups<'a>(leaves: &'a [Leaf], better: &'a [Option<Better>]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (leaf, better) in leaves.iter().zip(better) {
        let name = better.as_ref().map_or(&leaf.path, |better| &better.path);
        let member = (leaf, better.as_ref());
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.members.push(member),
            None => groups.push(Group { name, members: vec![member] }),
        }
    }
    groups
}

struct Inference<'a> {
    profile: &'a TopicProfile,
    vocabulary: &'a Vocabulary,
    zone: Option<&'a str>,
}

impl ProposedColumn {
    /// A column of which nothing was seen yet.
    fn new(name: &str, ty: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            r#type: ty,
            zone: None,
            required: false,
            mismatch: None,
            path: None,
            aliases: Vec::new(),
            messages: 0,
            nulls: 0,
            examples: Vec::new(),
            hints: Vec::new(),
            time: None,
            found: MessageSet::default(),
            misfits: 0,
        }
    }
}

impl Inference<'_> {
    fn columns(&self, group: &Group<'_>, findings: &mut Vec<Finding>) -> Vec<ProposedColumn> {
        for (leaf, better) in &group.members {
            let Some(better) = better else { continue };
            let message = alias_message(&leaf.path, &better.path, better.likeness);
            findings.push(Finding {
                kind: FindingKind::of(better.likeness),
                field: leaf.path.clone(),
                like: Some(better.path.clone()),
                message: format!("{message}, {}", better.known_from),
            });
        }
        let shapes = group.members.iter().map(|(leaf, _)| leaf.shape.clone());
        let shape = shapes.reduce(|one, other| unify(&one, &other)).unwrap_or(Shape::Unknown);
        match shape {
            Shape::Pair(pairs) => self.pair(group, pairs, findings),
            shape => vec![self.column(group, &shape, findings)],
        }
    }

    /// Values of a group, and how many of them `fits` counts in each field.
    fn fitting(&self, group: &Group<'_>, fits: impl Fn(&FieldProfile) -> u64) -> (u64, u64) {
        let fields = group.members.iter().filter_map(|(leaf, _)| self.profile.field(&leaf.path));
        fields.fold((0, 0), |(all, fit), field| (all + field.count(), fit + fits(field)))
    }

    /// Counts the values of a group that are not of its type, and says so.
    fn allow_misfits(
        &self,
        group: &Group<'_>,
        (kinds, what): (&[Kind], &str),
        (all, fit): (u64, u64),
        findings: &mut Vec<Finding>,
    ) -> u64 {
        let misfits = all.saturating_sub(fit);
        if misfits > 0 {
            let mut fields = group.members.iter().filter_map(|(leaf, _)| self.profile.field(&leaf.path));
            let example = fields.find_map(|field| field.example_beside(kinds));
            findings.push(finding::mixed_kinds(group.name, what, (misfits, all), example));
        }
        misfits
    }

    /// `location.lat` and `location.lon`.
    fn pair(&self, group: &Group<'_>, pairs: Pairs, findings: &mut Vec<Finding>) -> Vec<ProposedColumn> {
        let counts = self.fitting(group, |field| field.arrays.pairs + field.objects.count);
        let what: (&[Kind], _) = (&[Kind::Array, Kind::Object], "a pair of coordinates");
        let misfits = self.allow_misfits(group, what, counts, findings);
        let order = if pairs.latitude_first() { ["lat", "lon"] } else { ["lon", "lat"] };
        let columns = order.iter().enumerate().map(|(index, member)| {
            let mut column = ProposedColumn::new(&format!("{}.{member}", group.name), "float64");
            let own = (!group.members.iter().any(|(leaf, _)| leaf.path == group.name))
                .then(|| Alias { path: format!("{}[{index}]", group.name), why: None });
            column.aliases.extend(own);
            for (leaf, better) in &group.members {
                let path = format!("{}[{index}]", leaf.path);
                column.aliases.push(Alias { path, why: better.map(|better| why(leaf, better)) });
                self.count(&mut column, &leaf.path);
            }
            column.misfits = misfits;
            if index == 0 {
                column.hints.push(pairs.basis());
            }
            column
        });
        columns.collect()
    }

    fn column(&self, group: &Group<'_>, shape: &Shape, findings: &mut Vec<Finding>) -> ProposedColumn {
        let declared = self.vocabulary.get(group.name).and_then(|known| known.declared);
        let mut column = ProposedColumn::new(group.name, "string");
        if columns::is_system(group.name) || group.name == DAY {
            column.name = format!("field{}{}", if group.name == DAY { "_" } else { "" }, group.name);
            column.path = Some(group.name.to_owned());
        }
        for (leaf, better) in &group.members {
            if let Some(better) = better {
                column.aliases.push(Alias { path: leaf.path.clone(), why: Some(why(leaf, better)) });
            }
            self.count(&mut column, &leaf.path);
        }
        let (shape, misfits) = self.tolerated(group, shape, findings);
        column.misfits = misfits;
        match &shape {
            Shape::Column(ty) => self.set_type(&mut column, ty),
            Shape::NumberText(ty) => {
                let is_number = declared == Some(Class::Number);
                column.r#type = if is_number { type_name(ty) } else { "string" };
                findings.push(number_as_text(group.name, ty, &column, is_number));
            }
            Shape::LocalTime if self.zone.is_some() => {
                (column.r#type, column.zone) = ("timestamp", self.zone.map(str::to_owned));
                column.time = Some(TimeKind::Instant);
            }
            Shape::LocalTime => {
                column.time = Some(TimeKind::Local);
                column.hints.push("date-times without zone: a timestamp once you name theirs".to_owned());
            }
            Shape::Unknown => {
                column.r#type = "json";
                column.hints.push("never anything but null".to_owned());
            }
            Shape::Pair(_) | Shape::Object => {}
        }
        column
    }

    /// The shape of a group, and how many of its values are not of it. Fields that each have but a few such
    /// values may have too many of them together: then they are JSON.
    fn tolerated(&self, group: &Group<'_>, shape: &Shape, findings: &mut Vec<Finding>) -> (Shape, u64) {
        let ty = match shape {
            Shape::Column(ty) => ty,
            Shape::LocalTime | Shape::NumberText(_) => &ColumnType::Utf8,
            Shape::Unknown | Shape::Pair(_) | Shape::Object => return (shape.clone(), 0),
        };
        let (all, fit) = self.fitting(group, |field| fitting(field, ty));
        if !are_most(fit, all) {
            return (Shape::Column(ColumnType::Json), 0);
        }
        (shape.clone(), self.allow_misfits(group, kinds(ty), (all, fit), findings))
    }

    fn set_type(&self, column: &mut ProposedColumn, ty: &ColumnType) {
        column.r#type = type_name(ty);
        match ty {
            ColumnType::Timestamp { .. } => column.time = Some(TimeKind::Instant),
            ColumnType::Int64 => {
                let fields = column.aliases.iter().map(|alias| alias.path.as_str());
                let fields = fields.chain([column.name.as_str()]).filter_map(|path| self.profile.field(path));
                let range = fields.fold((i64::MAX, i64::MIN), |(least, greatest), field| {
                    (least.min(field.range.0), greatest.max(field.range.1))
                });
                column.time = event_time::epoch(&column.name, range).map(TimeKind::Epoch);
                if let Some(TimeKind::Epoch(unit)) = column.time {
                    let unit = event_time::unit_name(unit);
                    column.hints.push(format!("may be a time: type = \"timestamp\", epoch = \"{unit}\""));
                }
            }
            ColumnType::Json => {
                let kinds: BTreeSet<_> =
                    column.examples.iter().filter_map(|text| text.chars().next()).collect();
                if kinds.len() > 1 {
                    column.hints.push("values of several kinds".to_owned());
                }
            }
            _ => {}
        }
    }

    fn count(&self, column: &mut ProposedColumn, path: &str) {
        let Some(field) = self.profile.field(path) else { return };
        column.found.extend(field.messages());
        column.nulls += field.nulls.count;
        column.messages = column.found.len() + column.nulls;
        column.examples.extend_from_slice(field.examples());
        column.examples.truncate(EXAMPLES_MAX);
    }
}

fn why(leaf: &Leaf, better: &Better) -> String {
    format!("{}, {}", alias_message(&leaf.path, &better.path, better.likeness), better.known_from)
}

fn number_as_text(name: &str, ty: &ColumnType, column: &ProposedColumn, is_declared: bool) -> Finding {
    let example = column.examples.first().map_or(String::new(), |example| format!(" ({example})"));
    let advice = match is_declared {
        true => "declared as a number elsewhere, and so here".to_owned(),
        false => format!("`{}` would read it as a number", type_name(ty)),
    };
    Finding {
        kind: FindingKind::NumberAsText,
        field: name.to_owned(),
        like: None,
        message: format!("`{name}` is a number written as a string{example}; {advice}"),
    }
}

/// Adds a column; one that is there already (`location.lat` of an object beside that of a pair) takes it in.
fn add(columns: &mut Vec<ProposedColumn>, column: ProposedColumn) {
    let Some(there) = columns.iter_mut().find(|there| there.name == column.name) else {
        columns.push(column);
        return;
    };
    there.found.extend(&column.found);
    there.nulls += column.nulls;
    there.misfits += column.misfits;
    there.messages = there.found.len() + there.nulls;
    let new: Vec<_> = column.aliases.into_iter().filter(|alias| !there.aliases.contains(alias)).collect();
    there.aliases.extend(new);
    if there.r#type != column.r#type {
        let numbers = ["int32", "int64", "float64"];
        let both = numbers.contains(&there.r#type) && numbers.contains(&column.r#type);
        there.r#type = if both { "float64" } else { "json" };
    }
}

/// Names for the streams of topics: `vehicle` for `vehicle_data`, each once.
pub fn stream_names<'a>(topics: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    const ENDINGS: [&str; 4] = ["data", "events", "topic", "stream"];
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let names = topics.into_iter().map(|topic| {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
        let name: String = topic.chars().map(plain).collect();
        let ending = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
        let stem = ending.and_then(|stem| stem.strip_suffix(['_', '-'])).filter(|stem| !stem.is_empty());
        let name = stem.unwrap_or(&name).to_owned();
        let times = taken.entry(name.clone()).or_default();
        *times += 1;
        if *times == 1 { name } else { format!("{name}_{times}") }
    });
    names.collect()
}
