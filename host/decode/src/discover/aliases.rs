//! Which fields of a topic are another one under a second name. A topic's profile and the known names
//! enter; for each field that has a better name, that name leaves, with the reason in words.

use std::cmp::Reverse;

use super::leaves::Leaf;
use super::profile::TopicProfile;
use super::shape::{Class, last_name, usual_place};
use super::vocabulary::{Known, Vocabulary};
use crate::spelling::{Likeness, likeness};

/// Of so many messages that have the rarer of two fields, one may have both.
const RARELY: u64 = 50;
/// Longest way from a name over better ones to the best.
const STEPS_MAX: usize = 4;

/// A better name for a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Better {
    /// Dotted path of the field it is.
    pub path: String,
    /// How the names are alike; none if nothing but a declaration says that they mean the same.
    pub likeness: Option<Likeness>,
    /// Who else has that name, in words.
    pub known_from: String,
}

/// How good a name is: declared by so many streams, known to so many topics, in so many messages here,
/// and the first of several.
type Rank = (usize, usize, u64, Reverse<usize>);

/// The best name of each leaf that has a better one than its own.
pub(super) fn better_names(
    profile: &TopicProfile,
    leaves: &[Leaf],
    vocabulary: &Vocabulary,
) -> Vec<Option<Better>> {
    let names = Names { profile, leaves, vocabulary };
    leaves.iter().map(|leaf| names.best(leaf)).collect()
}

struct Names<'a> {
    profile: &'a TopicProfile,
    leaves: &'a [Leaf],
    vocabulary: &'a Vocabulary,
}

impl Names<'_> {
    fn best(&self, leaf: &Leaf) -> Option<Better> {
        let first = self.better(leaf)?;
        let mut best = first.clone();
        for _ in 0..STEPS_MAX {
            let next = self.leaves.iter().find(|leaf| leaf.path == best.path);
            match next.and_then(|next| self.better(next)) {
                Some(next) if next.path != leaf.path => best.path = next.path,
                _ => break,
            }
        }
        Some(best)
    }

    fn better(&self, leaf: &Leaf) -> Option<Better> {
        self.declared(leaf).or_else(|| self.alike(leaf))
    }

    /// The column of which a stream declares this field to be an alias.
    fn declared(&self, leaf: &Leaf) -> Option<Better> {
        let (path, stream) = self.vocabulary.alias(&leaf.path)?;
        let class = self.vocabulary.get(path).map_or(Class::Any, Known::class);
        class.agrees_with(leaf.shape.class()).then(|| Better {
            path: path.to_owned(),
            likeness: path_likeness(&leaf.path, path),
            known_from: format!("which stream `{stream}` declares"),
        })
    }

    fn alike(&self, leaf: &Leaf) -> Option<Better> {
        let like = |path: &str| path_likeness(&leaf.path, path);
        let here = self.leaves.iter().filter_map(|other| Some((like(&other.path)?, other)));
        let here =
            here.filter(|(_, other)| self.may_be(leaf, other)).map(|(like, other)| (like, &*other.path));
        let elsewhere = self.vocabulary.names().filter_map(|(path, known)| Some((like(path)?, path, known)));
        let elsewhere = elsewhere.filter(|(_, path, known)| {
            self.profile.field(path).is_none() && known.class().agrees_with(leaf.shape.class())
        });
        let candidates = here.chain(elsewhere.map(|(like, path, _)| (like, path)));
        let ranked = candidates.map(|(likeness, path)| (self.rank(path), path, likeness));
        let best = ranked.max_by_key(|(rank, ..)| *rank).filter(|(rank, ..)| *rank > self.rank(&leaf.path));
        let named = best.map(|(_, path, likeness)| Better {
            path: path.to_owned(),
            likeness: Some(likeness),
            known_from: self.known_from(path),
        });
        named.or_else(|| self.usual_place(leaf))
    }

    /// True if both may be the same column: they hardly ever stand in the same message.
    fn may_be(&self, leaf: &Leaf, other: &Leaf) -> bool {
        let (Some(a), Some(b)) = (self.profile.field(&leaf.path), self.profile.field(&other.path)) else {
            return false;
        };
        let rarer = a.messages().len().min(b.messages().len());
        leaf.path != other.path
            && rarer > 0
            && a.messages().shared_with(b.messages()) * RARELY <= rarer
            && leaf.shape.class().agrees_with(other.shape.class())
    }

    fn rank(&self, path: &str) -> Rank {
        let known = self.vocabulary.get(path);
        let (streams, topics) = known.map_or((0, 0), |known| (known.streams.len(), known.topics.len()));
        let messages = self.profile.field(path).map_or(0, |field| field.messages().len());
        let order = self.profile.fields().iter().position(|field| field.path() == path);
        (usize::from(streams > 0), topics, messages, Reverse(order.unwrap_or(usize::MAX)))
    }

    fn known_from(&self, path: &str) -> String {
        let Some(known) = self.vocabulary.get(path) else { return String::new() };
        if let Some(stream) = known.streams.first() {
            return format!("which stream `{stream}` declares");
        }
        let others: Vec<_> = known.topics.iter().filter(|topic| *topic != self.profile.topic()).collect();
        match (self.profile.field(path), others.as_slice()) {
            (Some(field), _) => {
                format!("which {} of {} messages have", field.messages().len(), self.profile.messages())
            }
            (None, topics) => {
                let topics: Vec<_> = topics.iter().map(|topic| format!("`{topic}`")).collect();
                format!("which {} have", topics.join(", "))
            }
        }
    }

    /// A pair of coordinates under a name that is nearly one of the usual ones.
    fn usual_place(&self, leaf: &Leaf) -> Option<Better> {
        let name = last_name(&leaf.path);
        let usual = usual_place(name).filter(|_| leaf.shape.class() == Class::Pair)?;
        let likeness = likeness(name, usual)?;
        let path = format!("{}{usual}", leaf.path.strip_suffix(name)?);
        let is_free = likeness == Likeness::Slip
            && self.profile.field(&path).is_none()
            && self.vocabulary.get(&leaf.path).is_none_or(|known| known.streams.is_empty());
        let known_from = "a usual name of coordinates".to_owned();
        is_free.then_some(Better { path, likeness: Some(likeness), known_from })
    }
}

/// The likeness of two dotted paths that differ in one name.
pub(super) fn path_likeness(one: &str, other: &str) -> Option<Likeness> {
    if one.split('.').count() != other.split('.').count() {
        return None;
    }
    let mut differing = one.split('.').zip(other.split('.')).filter(|(a, b)| a != b);
    let (a, b) = differing.next()?;
    if differing.next().is_some() { None } else { likeness(a, b) }
}
