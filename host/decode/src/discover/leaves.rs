//! Which fields of a topic become columns: not objects whose members do, nor members of values that are
//! kept as JSON, nor, where there are very many, those that hardly any message has.

use super::aliases::path_likeness;
use super::field::FieldProfile;
use super::profile::{TopicProfile, is_below};
use super::shape::{Shape, shape};

/// Fields up to which rare ones become columns, too.
const MANY: usize = 100;
/// A field is rare if fewer messages of a hundred have it.
const RARE_PERCENT: u64 = 1;
/// Messages from which on a field that only one of them has is rare.
const MESSAGES_MIN: u64 = 10;

/// A field of the topic that holds values.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// Dotted path.
    pub path: String,
    /// What its values have in common.
    pub shape: Shape,
}

/// The fields of a topic that become columns, in the order in which messages have them.
pub(super) struct Leaves {
    /// Those.
    pub kept: Vec<Leaf>,
    /// Rare fields that are left out.
    pub left_out: usize,
    /// Objects whose members are among them, or were left out.
    pub objects: Vec<String>,
}

/// The leaves of a topic.
pub(super) fn leaves(profile: &TopicProfile) -> Leaves {
    let mut leaves: Vec<Leaf> = Vec::new();
    let mut objects = Vec::new();
    let mut closed: Vec<&str> = Vec::new();
    for field in profile.fields() {
        let shape = shape(field, profile);
        if closed.iter().any(|object| is_below(field.path(), object)) {
            continue;
        }
        if shape == Shape::Object {
            objects.push(field.path().to_owned());
            continue;
        }
        if !matches!(shape, Shape::Pair(_)) && field.objects.count > 0 {
            closed.push(field.path());
        }
        leaves.push(Leaf { path: field.path().to_owned(), shape });
    }
    let found = leaves.len();
    let kept = if found > MANY { without_rare(profile, leaves) } else { leaves };
    Leaves { left_out: found - kept.len(), kept, objects }
}

/// Without the rare ones, but for those that are like one that stays: they may be misspellings of it.
fn without_rare(profile: &TopicProfile, leaves: Vec<Leaf>) -> Vec<Leaf> {
    let is_rare = |leaf: &Leaf| profile.field(&leaf.path).is_none_or(|field| is_rare(field, profile));
    let common: Vec<_> = leaves.iter().filter(|leaf| !is_rare(leaf)).map(|leaf| leaf.path.clone()).collect();
    let stays =
        |leaf: &Leaf| !is_rare(leaf) || common.iter().any(|path| path_likeness(&leaf.path, path).is_some());
    leaves.into_iter().filter(stays).collect()
}

fn is_rare(field: &FieldProfile, profile: &TopicProfile) -> bool {
    let (seen, all) = (field.messages().len() + field.nulls.count, profile.messages());
    seen * 100 < all * RARE_PERCENT || (seen == 1 && all >= MESSAGES_MIN)
}
