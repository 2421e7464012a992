//! What one field held over a sample: kinds of values, ranges, examples, and in which messages. Values
//! enter one by one; the memory of a field does not depend on their size.

use std::collections::BTreeMap;

use simd_json::{Node, StaticNode};

use super::profile::{Place, Seen};
use crate::{Number, elements, parse_date, parse_date_time, write_value};

/// Examples that are kept, and their length in characters.
const EXAMPLES_MAX: usize = 3;
const EXAMPLE_CHARACTERS_MAX: usize = 40;
/// Distinct texts up to which a field counts as a small vocabulary, and their length in bytes.
const VALUES_MAX: usize = 24;
const VALUE_BYTES_MAX: usize = 64;

/// Kinds of values, as far as columns tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// true and false.
    Boolean,
    /// Numbers.
    Number,
    /// Texts that are exactly numbers.
    NumberText,
    /// Other texts.
    Text,
    /// Arrays.
    Array,
    /// Objects.
    Object,
}

/// What one field held.
#[derive(Clone, Debug)]
pub struct FieldProfile {
    path: String,
    messages: MessageSet,
    examples: Vec<String>,
    /// The first value of each kind.
    first_of_kind: BTreeMap<Kind, String>,
    /// None once there are too many.
    values: Option<BTreeMap<String, u64>>,
    /// Nulls.
    pub nulls: Seen,
    /// true and false.
    pub booleans: Seen,
    /// Numbers that are 64-bit integers.
    pub integers: Seen,
    /// Least and greatest integer, of numbers and texts that are numbers.
    pub range: (i64, i64),
    /// Other numbers.
    pub fractions: Seen,
    /// Texts.
    pub texts: Texts,
    /// Arrays.
    pub arrays: Arrays,
    /// Objects.
    pub objects: Seen,
}

/// Texts of a field, by what they look like.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// All of them.
    pub all: Seen,
    /// Exactly an integer.
    pub integers: u64,
    /// Exactly another number.
    pub fractions: u64,
    /// `2026-01-31`.
    pub dates: u64,
    /// ISO-8601 date-times with an offset.
    pub zoned: u64,
    /// ISO-8601 date-times without.
    pub zoneless: u64,
}

/// Arrays of a field, by what they hold.
#[derive(Clone, Debug, Default)]
pub struct Arrays {
    /// All of them.
    pub all: Seen,
    /// Without elements.
    pub empty: u64,
    /// Of numbers, and perhaps nulls.
    pub numbers: u64,
    /// Of exactly two numbers.
    pub pairs: u64,
    /// Of texts, and perhaps nulls.
    pub texts: u64,
    /// Pairs whose first number is beyond ±90: it is no latitude.
    pub first_beyond_90: u64,
    /// Pairs whose second number is.
    pub second_beyond_90: u64,
}

impl FieldProfile {
    /// Nothing seen yet at `path`.
    pub fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            messages: MessageSet::default(),
            examples: Vec::new(),
            first_of_kind: BTreeMap::new(),
            values: Some(BTreeMap::new()),
            nulls: Seen::default(),
            booleans: Seen::default(),
            integers: Seen::default(),
            range: (i64::MAX, i64::MIN),
            fractions: Seen::default(),
            texts: Texts::default(),
            arrays: Arrays::default(),
            objects: Seen::default(),
        }
    }

    /// Takes in the value at the front of `value`, of message number `message` of the sample.
    pub fn observe(&mut self, value: &[Node<'_>], message: u64, place: Place) {
        let kind = match &value[0] {
            Node::Static(StaticNode::Null) => {
                self.nulls.add(place);
                return;
            }
            Node::Static(StaticNode::Bool(_)) => {
                self.booleans.add(place);
                Kind::Boolean
            }
            Node::Static(number) => {
                self.observe_number(Number::of(*number), place);
                Kind::Number
            }
            Node::String(text) => self.observe_text(text, place),
            Node::Array { .. } => {
                self.observe_array(value, place);
                Kind::Array
            }
            Node::Object { .. } => {
                self.objects.add(place);
                Kind::Object
            }
        };
        self.messages.insert(message);
        self.add_example(kind, value);
    }

    /// Values, but for nulls.
    pub fn count(&self) -> u64 {
        let plain = self.booleans.count + self.integers.count + self.fractions.count + self.texts.all.count;
        plain + self.arrays.all.count + self.objects.count
    }

    /// Dotted path of the field.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The messages in which it is there and not null.
    pub fn messages(&self) -> &MessageSet {
        &self.messages
    }

    /// A few values as compact JSON, cut.
    pub fn examples(&self) -> &[String] {
        &self.examples
    }

    /// The first value of a kind that is not among `kinds`, as compact JSON, cut.
    pub fn example_beside(&self, kinds: &[Kind]) -> Option<&str> {
        let mut others = self.first_of_kind.iter().filter(|(kind, _)| !kinds.contains(kind));
        others.next().map(|(_, example)| example.as_str())
    }

    /// All texts with their counts, if they are few.
    pub fn values(&self) -> Option<&BTreeMap<String, u64>> {
        self.values.as_ref().filter(|values| !values.is_empty())
    }

    /// The first message in which it is there and not null.
    pub fn first(&self) -> Option<Place> {
        let all =
            [self.booleans, self.integers, self.fractions, self.texts.all, self.arrays.all, self.objects];
        all.iter().filter_map(|seen| seen.first).min()
    }

    fn observe_number(&mut self, number: Option<Number>, place: Place) {
        // `3.0` is written by who means a fraction, though an integer column takes it.
        let integer = number.filter(|number| !matches!(number, Number::Float(_)));
        match integer.map(Number::to_i64) {
            Some(Ok(integer)) => {
                self.integers.add(place);
                self.extend_range(integer);
            }
            _ => self.fractions.add(place),
        }
    }

    fn observe_text(&mut self, text: &str, place: Place) -> Kind {
        self.texts.all.add(place);
        self.count_value(text);
        let number = Number::parse(text).map(Number::to_i64);
        let kind = if number.is_some() { Kind::NumberText } else { Kind::Text };
        match number {
            Some(Ok(number)) => {
                self.texts.integers += 1;
                self.extend_range(number);
            }
            Some(Err(_)) => self.texts.fractions += 1,
            None if parse_date(text).is_some() => self.texts.dates += 1,
            None => match parse_date_time(text) {
                Some(time) if time.offset_us.is_some() => self.texts.zoned += 1,
                Some(_) => self.texts.zoneless += 1,
                None => {}
            },
        }
        kind
    }

    fn observe_array(&mut self, value: &[Node<'_>], place: Place) {
        self.arrays.all.add(place);
        let number = |node: &Node<'_>| match node {
            Node::Static(value) => Number::of(*value).map(Number::to_f64),
            _ => None,
        };
        let is_null = |node: &Node<'_>| matches!(node, Node::Static(StaticNode::Null));
        let (mut length, mut numbers, mut texts, mut nulls, mut beyond_90) = (0, 0, 0, 0, [0, 0]);
        for element in elements(value).map(|element| &element[0]) {
            if let Some(number) = number(element) {
                if let Some(beyond) = beyond_90.get_mut(numbers) {
                    *beyond = u64::from(number.abs() > 90.0);
                }
                numbers += 1;
            }
            texts += usize::from(matches!(element, Node::String(_)));
            nulls += usize::from(is_null(element));
            length += 1;
        }
        let arrays = &mut self.arrays;
        arrays.empty += u64::from(length == 0);
        arrays.numbers += u64::from(numbers > 0 && numbers + nulls == length);
        arrays.texts += u64::from(texts > 0 && texts + nulls == length);
        if numbers == 2 && length == 2 {
            arrays.pairs += 1;
            arrays.first_beyond_90 += beyond_90[0];
            arrays.second_beyond_90 += beyond_90[1];
        }
    }

    fn extend_range(&mut self, number: i64) {
        self.range = (self.range.0.min(number), self.range.1.max(number));
    }

    fn count_value(&mut self, text: &str) {
        let Some(values) = &mut self.values else { return };
        if let Some(count) = values.get_mut(text) {
            *count += 1;
        } else if values.len() < VALUES_MAX && text.len() <= VALUE_BYTES_MAX {
            values.insert(text.to_owned(), 1);
        } else {
            self.values = None;
        }
    }

    fn add_example(&mut self, kind: Kind, value: &[Node<'_>]) {
        let is_first = !self.first_of_kind.contains_key(&kind);
        if !is_first && self.examples.len() >= EXAMPLES_MAX {
            return;
        }
        let example = example(value);
        if self.examples.len() < EXAMPLES_MAX && !self.examples.contains(&example) {
            self.examples.push(example.clone());
        }
        if is_first {
            self.first_of_kind.insert(kind, example);
        }
    }
}

/// A value as compact JSON on one line, cut.
fn example(value: &[Node<'_>]) -> String {
    let mut text = String::new();
    write_value(value, &mut text);
    let plain = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut example: String = plain.take(EXAMPLE_CHARACTERS_MAX).collect();
    if example.len() < text.len() {
        example.push('…');
    }
    example
}

/// Numbers of messages of a sample, one bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageSet(Vec<u64>);

impl MessageSet {
    /// Adds a message.
    pub fn insert(&mut self, message: u64) {
        let word = (message / 64) as usize;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (message % 64);
    }

    /// Number of messages.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// True if no message is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages that are in both.
    pub fn shared_with(&self, other: &Self) -> u64 {
        self.0.iter().zip(&other.0).map(|(a, b)| u64::from((a & b).count_ones())).sum()
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }
}
