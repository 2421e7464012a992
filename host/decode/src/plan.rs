//! Compiles a declared schema into a tree of field names, so that one pass over a message finds
//! every path. The schema enters, checked; columns and nodes leave, addressed by number. Nothing
//! here reads a message.

use std::collections::HashMap;
use std::ops::Range;

use arrow::datatypes::TimeUnit;
use jiff::tz::TimeZone;
use millstream_model::columns;
use millstream_model::schema::{ColumnType, EventTime, Mismatch, PathSegment, StreamSchema};

use super::zone::ZoneClock;

/// A schema that cannot be decoded by. The remedy is always in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Two columns have one name.
    #[error("two columns are named `{column}`; rename one of them")]
    DuplicateColumn {
        /// The name.
        column: String,
    },
    /// A name that is kept for Millstream.
    #[error("column `{column}` has a name that begins with an underscore; those are kept for system columns")]
    SystemName {
        /// The name.
        column: String,
    },
    /// A column or a key of a path without a name, or a column without a path.
    #[error("column `{column}` has an empty name or no path; give it at least one field to read")]
    EmptyPath {
        /// The column.
        column: String,
    },
    /// Two aliases of one column read the same field, or two columns of which neither leaves values of
    /// another type to the other.
    #[error("field `{path}` is read by column `{first}` and by column `{second}`; leave it to one of them")]
    SharedPath {
        /// The field.
        path: String,
        /// The column declared first.
        first: String,
        /// The column declared later.
        second: String,
    },
    /// A column that is never null is to be null where a value does not fit.
    #[error("column `{column}` is required and cannot be null where a value is of another type")]
    RequiredMismatch {
        /// The column.
        column: String,
    },
    /// A column that is no text is to hold the text of values that do not fit.
    #[error("column `{column}` is not a string and cannot hold the JSON of a value of another type")]
    JsonMismatch {
        /// The column.
        column: String,
    },
    /// A path deeper than a message may be.
    #[error("field `{path}` of column `{column}` is nested deeper than {max} levels")]
    PathTooDeep {
        /// The field.
        path: String,
        /// The column.
        column: String,
        /// Deepest nesting of a message.
        max: usize,
    },
    /// A zone that the time zone database does not have.
    #[error("`{zone}`, the zone of column `{column}`, is not an IANA time zone such as `Europe/London`")]
    UnknownZone {
        /// The zone.
        zone: String,
        /// The column.
        column: String,
    },
    /// The event-time column is not among the columns.
    #[error("event time is column `{column}`, which is not declared")]
    EventTimeMissing {
        /// The column.
        column: String,
    },
    /// The event-time column is of a type that holds no time.
    #[error("event time is column `{column}`, which is neither a timestamp, a text nor an integer")]
    EventTimeType {
        /// The column.
        column: String,
    },
    /// The event-time column is an integer and its unit is unknown.
    #[error("event time is column `{column}`, an integer; say with `epoch` what it counts")]
    EventTimeEpoch {
        /// The column.
        column: String,
    },
}

/// Deepest nesting of a message; the top-level object is level 1.
pub(super) const LEVELS_MAX: usize = 128;

/// Number of a node of the tree.
pub(super) type NodeId = usize;

/// Number of a leaf: one path, of one column or of several that share it.
pub(super) type Slot = usize;

/// The root of the tree.
pub(super) const ROOT: NodeId = 0;

/// A place in a message that is declared, or has declared places below it.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Set if columns read this place.
    pub slot: Option<Slot>,
    /// The columns that read this place take values of their type alone.
    pub is_choosy: bool,
    /// Declared members, if the place is an object.
    pub keys: HashMap<Box<str>, NodeId>,
    /// Declared elements in rising order, if the place is an array.
    pub elements: Vec<(usize, NodeId)>,
    /// All leaves here and below.
    pub slots: Range<Slot>,
}

impl Node {
    /// True if columns read `value` here as a whole, so that nothing in it is undeclared.
    pub fn takes(&self, value: &simd_json::Node<'_>) -> bool {
        self.slot.is_some() && !(self.is_choosy && self.has_below(value))
    }

    /// True if something may be declared below `value` here.
    fn has_below(&self, value: &simd_json::Node<'_>) -> bool {
        match value {
            simd_json::Node::Object { .. } => !self.keys.is_empty(),
            simd_json::Node::Array { .. } => !self.elements.is_empty(),
            simd_json::Node::String(_) | simd_json::Node::Static(_) => false,
        }
    }

    /// The declared element `index`.
    pub fn element(&self, index: usize) -> Option<NodeId> {
        let found = self.elements.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        Some(self.elements[found].1)
    }
}

/// Event time as the decoder computes it.
#[derive(Debug)]
pub(super) enum EventTimePlan {
    /// No event time is declared.
    Absent,
    /// A timestamp column, as it is.
    Timestamp(usize),
    /// A text column, read with the zone.
    Text(usize, Option<ZoneClock>),
    /// An integer column that counts this unit.
    Epoch(usize, TimeUnit),
}

/// The compiled schema.
#[derive(Debug)]
pub(super) struct Plan {
    /// Nodes of the tree; [`ROOT`] is the message itself.
    pub nodes: Vec<Node>,
    /// The leaves of each column, best first.
    pub slots: Vec<Vec<Slot>>,
    /// Event time.
    pub event_time: EventTimePlan,
}

impl Plan {
    /// Checks and compiles `schema`.
    pub fn compile(schema: &StreamSchema) -> Result<Self, SchemaError> {
        check_names(schema)?;
        let mut tree = Tree { nodes: vec![Node::default()], owners: vec![Vec::new()] };
        for (number, column) in schema.columns.iter().enumerate() {
            for (rank, path) in column.paths.iter().enumerate() {
                tree.declare(schema, Owner { column: number, rank }, path)?;
            }
        }
        let slots = tree.number(schema);
        Ok(Self { nodes: tree.nodes, slots, event_time: event_time(schema)? })
    }
}

/// A path as it is written in a configuration: `location.lat`, `location[0]`.
pub(super) fn render(path: &[PathSegment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            PathSegment::Key(key) if text.is_empty() => text.push_str(key),
            PathSegment::Key(key) => text.extend([".", key]),
            PathSegment::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// The clock of `zone`, if one is named.
pub(super) fn zone_clock(column: &str, zone: Option<&str>) -> Result<Option<ZoneClock>, SchemaError> {
    let Some(zone) = zone else { return Ok(None) };
    let unknown = |_| SchemaError::UnknownZone { zone: zone.to_owned(), column: column.to_owned() };
    Ok(Some(ZoneClock::new(TimeZone::get(zone).map_err(unknown)?)))
}

fn check_names(schema: &StreamSchema) -> Result<(), SchemaError> {
    for (number, column) in schema.columns.iter().enumerate() {
        let name = column.name.clone();
        if columns::is_system(&name) {
            return Err(SchemaError::SystemName { column: name });
        }
        if name.is_empty() || column.paths.is_empty() || column.paths.iter().any(Vec::is_empty) {
            return Err(SchemaError::EmptyPath { column: name });
        }
        if schema.columns[..number].iter().any(|earlier| earlier.name == name) {
            return Err(SchemaError::DuplicateColumn { column: name });
        }
        if column.required && column.mismatch != Mismatch::Error {
            return Err(SchemaError::RequiredMismatch { column: name });
        }
        if column.ty != ColumnType::Utf8 && column.mismatch == Mismatch::Json {
            return Err(SchemaError::JsonMismatch { column: name });
        }
    }
    Ok(())
}

fn event_time(schema: &StreamSchema) -> Result<EventTimePlan, SchemaError> {
    let Some(EventTime { column, zone, epoch }) = &schema.event_time else {
        return Ok(EventTimePlan::Absent);
    };
    let missing = || SchemaError::EventTimeMissing { column: column.clone() };
    let number = schema.columns.iter().position(|c| c.name == *column).ok_or_else(missing)?;
    match (&schema.columns[number].ty, epoch) {
        (ColumnType::Timestamp { .. }, _) => Ok(EventTimePlan::Timestamp(number)),
        (ColumnType::Utf8, _) => Ok(EventTimePlan::Text(number, zone_clock(column, zone.as_deref())?)),
        (ColumnType::Int32 | ColumnType::Int64, Some(unit)) => Ok(EventTimePlan::Epoch(number, *unit)),
        (ColumnType::Int32 | ColumnType::Int64, None) => {
            Err(SchemaError::EventTimeEpoch { column: column.clone() })
        }
        _ => Err(SchemaError::EventTimeType { column: column.clone() }),
    }
}

/// Which path of which column a node belongs to.
#[derive(Clone, Copy, Debug)]
struct Owner {
    column: usize,
    rank: usize,
}

/// The tree while it grows: `owners` says for each node whose leaf it is. Those that share it read it by
/// one slot.
struct Tree {
    nodes: Vec<Node>,
    owners: Vec<Vec<Owner>>,
}

impl Tree {
    fn declare(
        &mut self,
        schema: &StreamSchema,
        owner: Owner,
        path: &[PathSegment],
    ) -> Result<(), SchemaError> {
        let column = &schema.columns[owner.column].name;
        if path.len() >= LEVELS_MAX {
            let (path, column) = (render(path), column.clone());
            return Err(SchemaError::PathTooDeep { path, column, max: LEVELS_MAX });
        }
        let leaf = path.iter().fold(ROOT, |node, segment| self.descend(node, segment));
        let is_choosy = |owner: &Owner| schema.columns[owner.column].mismatch != Mismatch::Error;
        let clashes =
            |first: &&Owner| first.column == owner.column || !(is_choosy(first) || is_choosy(&owner));
        if let Some(first) = self.owners[leaf].iter().find(clashes) {
            let (first, second) = (schema.columns[first.column].name.clone(), column.clone());
            return Err(SchemaError::SharedPath { path: render(path), first, second });
        }
        self.owners[leaf].push(owner);
        self.nodes[leaf].is_choosy = self.owners[leaf].iter().all(is_choosy);
        Ok(())
    }

    fn descend(&mut self, node: NodeId, segment: &PathSegment) -> NodeId {
        let next = self.nodes.len();
        let parent = &mut self.nodes[node];
        let child = match segment {
            PathSegment::Key(key) => *parent.keys.entry(key.as_str().into()).or_insert(next),
            PathSegment::Index(index) => match parent.elements.binary_search_by_key(index, |(at, _)| *at) {
                Ok(found) => parent.elements[found].1,
                Err(place) => {
                    parent.elements.insert(place, (*index, next));
                    next
                }
            },
        };
        if child == next {
            self.nodes.push(Node::default());
            self.owners.push(Vec::new());
        }
        child
    }

    /// Numbers the leaves depth first, so that those below a node are consecutive, and returns them
    /// by column and rank.
    fn number(&mut self, schema: &StreamSchema) -> Vec<Vec<Slot>> {
        let mut slots: Vec<Vec<Slot>> = schema.columns.iter().map(|c| vec![0; c.paths.len()]).collect();
        let mut next = 0;
        self.number_below(ROOT, &mut next, &mut slots);
        slots
    }

    fn number_below(&mut self, node: NodeId, next: &mut Slot, slots: &mut [Vec<Slot>]) {
        let first = *next;
        for owner in &self.owners[node] {
            self.nodes[node].slot = Some(*next);
            slots[owner.column][owner.rank] = *next;
        }
        if self.nodes[node].slot.is_some() {
            *next += 1;
        }
        let Node { keys, elements, .. } = &self.nodes[node];
        let children: Vec<NodeId> =
            keys.values().copied().chain(elements.iter().map(|(_, id)| *id)).collect();
        for child in children {
            self.number_below(child, next, slots);
        }
        self.nodes[node].slots = first..*next;
    }
}
