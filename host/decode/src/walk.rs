//! Finds the declared fields of a message in one pass over its tape. The tape enters; for each
//! leaf of the plan the place of its value leaves. Values are not looked at.

use simd_json::{Node, StaticNode};

use super::plan::{NodeId, Plan, ROOT, Slot};
use super::tape::width;

/// Longest key and highest position in an object that are remembered.
const KEY_BYTES_MAX: usize = 64;
const POSITIONS_MAX: usize = 256;
/// Undeclared fields of one message that are remembered by place.
const UNDECLARED_MAX: usize = 256;

const ABSENT: usize = usize::MAX;

/// The fields of one object type in the order of the last message: messages of a topic mostly have
/// the same layout, and then a field costs one comparison and no hash.
#[derive(Default)]
struct Layout {
    fields: Vec<(String, Option<NodeId>)>,
}

/// Something in a message that no column declares.
#[derive(Clone, Copy, Debug)]
pub(super) enum Undeclared {
    /// A member of the object at `parent`; its key stands at `key` on the tape.
    Member {
        /// Place of the object.
        parent: NodeId,
        /// Where the key is.
        key: usize,
    },
    /// Elements of the array at this place.
    Elements(NodeId),
    /// The value at this place: it has declared fields, and this is nothing that has fields.
    Value(NodeId),
}

/// Finds fields, message after message.
pub(super) struct Walker {
    layouts: Vec<Layout>,
    found: Vec<usize>,
    /// At most [`UNDECLARED_MAX`], in the message's order.
    undeclared: Vec<Undeclared>,
}

impl Walker {
    pub fn new(plan: &Plan) -> Self {
        let layouts = plan.nodes.iter().map(|_| Layout::default()).collect();
        Self { layouts, found: vec![ABSENT; plan.nodes[ROOT].slots.end], undeclared: Vec::new() }
    }

    /// Finds the fields of the message on `tape`. Where a key stands twice, the last counts.
    pub fn walk(&mut self, plan: &Plan, tape: &[Node<'_>]) {
        self.found.fill(ABSENT);
        self.undeclared.clear();
        self.object(plan, tape, 0, ROOT);
    }

    /// The place on the tape of the best non-null value among `slots`; else of a null; else none.
    pub fn best(&self, tape: &[Node<'_>], slots: &[Slot]) -> Option<usize> {
        let mut present = None;
        for slot in slots {
            let at = self.found[*slot];
            if at == ABSENT {
                continue;
            }
            if !is_null(&tape[at]) {
                return Some(at);
            }
            present = Some(at);
        }
        present
    }

    /// True if something declared stands within the value at `at`.
    pub fn has_below(&self, tape: &[Node<'_>], at: usize) -> bool {
        let below = at + 1..at + width(&tape[at]);
        !below.is_empty() && self.found.iter().any(|found| below.contains(found))
    }

    /// Which of `slots` was found at `at`.
    pub fn slot_at(&self, slots: &[Slot], at: usize) -> Option<Slot> {
        slots.iter().copied().find(|slot| self.found[*slot] == at)
    }

    /// What the message has that no column declares; of very much of it, the first.
    pub fn undeclared(&self) -> &[Undeclared] {
        &self.undeclared
    }

    #[cold]
    fn note(&mut self, undeclared: Undeclared) {
        if self.undeclared.len() < UNDECLARED_MAX {
            self.undeclared.push(undeclared);
        }
    }

    fn object(&mut self, plan: &Plan, tape: &[Node<'_>], at: usize, node: NodeId) {
        let Node::Object { len, .. } = tape[at] else { return };
        let mut at = at + 1;
        for position in 0..len {
            let Node::String(key) = tape[at] else { return };
            match self.child(plan, node, position, key) {
                Some(child) => self.value(plan, tape, at + 1, child),
                None => self.note(Undeclared::Member { parent: node, key: at }),
            }
            at += 1 + width(&tape[at + 1]);
        }
    }

    fn array(&mut self, plan: &Plan, tape: &[Node<'_>], at: usize, node: NodeId) {
        let Node::Array { len, .. } = tape[at] else { return };
        let declared = &plan.nodes[node].elements;
        let Some(last) = declared.last().map(|(index, _)| *index) else { return };
        let mut surplus = len > last.saturating_add(1);
        let mut at = at + 1;
        for index in 0..len.min(last.saturating_add(1)) {
            match plan.nodes[node].element(index) {
                Some(child) => self.value(plan, tape, at, child),
                None => surplus = true,
            }
            at += width(&tape[at]);
        }
        if surplus {
            self.note(Undeclared::Elements(node));
        }
    }

    fn value(&mut self, plan: &Plan, tape: &[Node<'_>], at: usize, node: NodeId) {
        let place = &plan.nodes[node];
        if place.keys.is_empty() && place.elements.is_empty() {
            self.found[place.slots.start] = at;
            return;
        }
        // What an earlier value of the same key had below it does not count any more.
        self.found[place.slots.clone()].fill(ABSENT);
        let before = self.undeclared.len();
        match tape[at] {
            Node::Object { .. } if !place.keys.is_empty() => self.object(plan, tape, at, node),
            Node::Array { .. } if !place.elements.is_empty() => self.array(plan, tape, at, node),
            Node::Static(StaticNode::Null) => {}
            _ => self.note(Undeclared::Value(node)),
        }
        if let Some(slot) = place.slot {
            self.found[slot] = at;
            if place.takes(&tape[at]) {
                self.undeclared.truncate(before);
            }
        }
    }

    #[inline]
    fn child(&mut self, plan: &Plan, node: NodeId, position: usize, key: &str) -> Option<NodeId> {
        if let Some((last, child)) = self.layouts[node].fields.get(position)
            && last == key
        {
            return *child;
        }
        self.look_up(plan, node, position, key)
    }

    #[cold]
    fn look_up(&mut self, plan: &Plan, node: NodeId, position: usize, key: &str) -> Option<NodeId> {
        let child = plan.nodes[node].keys.get(key).copied();
        let fields = &mut self.layouts[node].fields;
        if key.len() > KEY_BYTES_MAX {
            return child;
        }
        if let Some((last, target)) = fields.get_mut(position) {
            last.clear();
            last.push_str(key);
            *target = child;
        } else if position == fields.len() && position < POSITIONS_MAX {
            fields.push((key.to_owned(), child));
        }
        child
    }
}

/// True if a node is JSON's null.
pub(super) fn is_null(node: &Node<'_>) -> bool {
    matches!(node, Node::Static(StaticNode::Null))
}
