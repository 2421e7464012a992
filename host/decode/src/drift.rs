//! Counts the fields that messages have and no column declares or takes, by name. What the walker found enters,
//! message by message; names with counts leave when a checkpoint asks for them. A message without such
//! a field never comes here, and a name that is known costs one look-up.

use std::collections::{BTreeMap, HashMap};

use millstream_model::entry::Counters;
use simd_json::Node;

use super::plan::{NodeId, Plan, ROOT, Slot};
use super::problem::{clip, shown};
use super::walk::Undeclared;

/// What elements of an array are counted under, below the array's name.
const ELEMENTS: &str = "[]";
/// What a value in place of an object or array is counted under: nothing is below its name.
const VALUE: &str = "";
/// What a value that no column takes is counted under, after the field's name.
const OTHER_TYPE: &str = ": another type";

/// Counts of the undeclared fields of one stream.
pub(super) struct Drift {
    /// Name of each place of the plan.
    places: Vec<String>,
    /// By slot, the place that it is of.
    places_of_slots: Vec<NodeId>,
    /// By place, counts of what is undeclared directly below it.
    counts: Vec<HashMap<Box<str>, u64>>,
    /// Distinct names counted.
    named: usize,
    /// Counts of names beyond the limit.
    others: u64,
}

impl Drift {
    /// Nothing counted yet.
    pub fn new(plan: &Plan) -> Self {
        let mut places = vec![String::new(); plan.nodes.len()];
        name_below(plan, ROOT, &mut places);
        let mut places_of_slots = vec![ROOT; plan.nodes[ROOT].slots.end];
        for (place, node) in plan.nodes.iter().enumerate() {
            node.slot.into_iter().for_each(|slot| places_of_slots[slot] = place);
        }
        Self { counts: vec![HashMap::new(); places.len()], places, places_of_slots, named: 0, others: 0 }
    }

    /// Counts what is undeclared in the message on `tape`.
    #[cold]
    pub fn count(&mut self, tape: &[Node<'_>], undeclared: &[Undeclared]) {
        for found in undeclared {
            let (place, name) = match *found {
                Undeclared::Member { parent, key } => match &tape[key] {
                    Node::String(key) => (parent, clip(key)),
                    _ => continue,
                },
                Undeclared::Elements(place) => (place, ELEMENTS),
                Undeclared::Value(place) => (place, VALUE),
            };
            self.add(place, name);
        }
    }

    /// Counts a value that is of the type of no column that reads its field.
    #[cold]
    pub fn count_other_type(&mut self, slot: Option<Slot>) {
        let place = slot.map_or(ROOT, |slot| self.places_of_slots[slot]);
        self.add(place, OTHER_TYPE);
    }

    fn add(&mut self, place: NodeId, name: &str) {
        if let Some(count) = self.counts[place].get_mut(name) {
            *count += 1;
        } else if self.named < Counters::DRIFT_FIELDS_MAX {
            self.named += 1;
            self.counts[place].insert(name.into(), 1);
        } else {
            self.others += 1;
        }
    }

    /// The counts by name; counting begins anew.
    pub fn take(&mut self) -> BTreeMap<String, u64> {
        let mut taken = BTreeMap::new();
        for (place, counts) in self.places.iter().zip(&mut self.counts) {
            for (name, count) in counts.drain() {
                *taken.entry(shown(&below(place, &name))).or_default() += count;
            }
        }
        if self.others > 0 {
            *taken.entry(Counters::OTHER_FIELDS.to_owned()).or_default() += self.others;
        }
        (self.named, self.others) = (0, 0);
        taken
    }
}

fn name_below(plan: &Plan, node: NodeId, places: &mut [String]) {
    for (key, child) in &plan.nodes[node].keys {
        places[*child] = below(&places[node], key);
        name_below(plan, *child, places);
    }
    for (index, child) in &plan.nodes[node].elements {
        places[*child] = format!("{}[{index}]", places[node]);
        name_below(plan, *child, places);
    }
}

fn below(place: &str, name: &str) -> String {
    match name {
        ELEMENTS | VALUE | OTHER_TYPE => format!("{place}{name}"),
        _ if place.is_empty() => name.to_owned(),
        _ => format!("{place}.{name}"),
    }
}
