//! What was found different in one batch: kinds of differences, and which messages have them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use millstream_engine::Cause;
use millstream_model::Offset;

/// A kind of difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Only one passes on the message, and the other's plugin rejects it.
    Rejects(Who),
    /// Only one fails at it, for this cause.
    Fails(Who, Cause),
    /// Only one drops it.
    Drops(Who),
    /// Both reject it, for different reasons.
    Reason,
    /// They make different numbers of rows of it.
    Rows,
    /// A column has another value.
    Column(Arc<str>),
    /// They make different numbers of rows of it for this output.
    OutputRows(Arc<str>),
    /// A column of this output has another value.
    OutputColumn(Arc<str>, Arc<str>),
}

/// One of the two versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Candidate,
    Live,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Candidate => "only the candidate",
            Self::Live => "only the live version",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejects(who) => write!(f, "{who} rejects"),
            Self::Fails(who, cause) => write!(f, "{who} fails: {cause}"),
            Self::Drops(who) => write!(f, "{who} drops"),
            Self::Reason => f.write_str("another reason to reject"),
            Self::Rows => f.write_str("another number of rows"),
            Self::Column(column) => write!(f, "column {column}"),
            Self::OutputRows(output) => write!(f, "output {output}: another number of rows"),
            Self::OutputColumn(output, column) => write!(f, "output {output}: column {column}"),
        }
    }
}

/// The messages of a batch, in the order of their offsets.
pub(super) struct Messages {
    offsets: Vec<Offset>,
    /// Rows of each in the batch: one, unless a step before made several.
    rows: Vec<u64>,
}

impl Messages {
    /// The messages that rows with these offsets are of.
    pub(super) fn new(offsets: &[Offset]) -> Self {
        let mut sorted = offsets.to_vec();
        sorted.sort_unstable();
        let mut messages = Self { offsets: Vec::with_capacity(sorted.len()), rows: Vec::new() };
        for offset in sorted {
            match messages.rows.last_mut().filter(|_| messages.offsets.last() == Some(&offset)) {
                Some(rows) => *rows += 1,
                None => {
                    messages.offsets.push(offset);
                    messages.rows.push(1);
                }
            }
        }
        messages
    }

    /// The number of a message.
    ///
    /// # Panics
    /// If it is not one of the batch.
    pub(super) fn number(&self, offset: Offset) -> usize {
        // Mostly no offset is missing.
        let guess = self.offsets.first().map_or(0, |first| offset.saturating_sub(*first) as usize);
        if self.offsets.get(guess) == Some(&offset) {
            return guess;
        }
        self.offsets.binary_search(&offset).expect("a step's rows keep the offsets of its input")
    }

    /// The offset of a message.
    pub(super) fn offset(&self, number: usize) -> Offset {
        self.offsets[number]
    }

    fn rows_of(&self, have: &[bool]) -> u64 {
        self.rows.iter().zip(have).filter(|(_, has)| **has).map(|(rows, _)| rows).sum()
    }
}

/// What was found different.
pub(super) struct Found {
    pub(super) messages: Messages,
    /// For each kind, which messages have it.
    kinds: BTreeMap<Kind, Vec<bool>>,
}

impl Found {
    /// Nothing yet.
    pub(super) fn new(messages: Messages) -> Self {
        Self { messages, kinds: BTreeMap::new() }
    }

    /// A message has this kind of difference.
    pub(super) fn note(&mut self, kind: &Kind, number: usize) {
        let messages = self.messages.offsets.len();
        match self.kinds.get_mut(kind) {
            Some(have) => have[number] = true,
            None => {
                let mut have = vec![false; messages];
                have[number] = true;
                self.kinds.insert(kind.clone(), have);
            }
        }
    }

    /// True if a message has none of these kinds.
    pub(super) fn has_none(&self, number: usize, of: impl Fn(&Kind) -> bool) -> bool {
        !self.kinds.iter().any(|(kind, have)| of(kind) && have[number])
    }

    /// The kinds, with the rows that have them.
    pub(super) fn rows_by_kind(&self) -> impl Iterator<Item = (&Kind, u64)> {
        self.kinds.iter().map(|(kind, have)| (kind, self.messages.rows_of(have)))
    }

    /// Rows that have any difference.
    pub(super) fn rows(&self) -> u64 {
        let any = |number| !self.has_none(number, |_| true);
        let have: Vec<bool> = (0..self.messages.offsets.len()).map(any).collect();
        self.messages.rows_of(&have)
    }

    /// The messages that differ, with their kinds, in order.
    pub(super) fn each(&self) -> impl Iterator<Item = (usize, Vec<&Kind>)> {
        let kinds = |number: usize| {
            self.kinds.iter().filter(move |(_, have)| have[number]).map(|(kind, _)| kind).collect()
        };
        let each = (0..self.messages.offsets.len()).map(move |number| (number, kinds(number)));
        each.filter(|(_, kinds): &(usize, Vec<_>)| !kinds.is_empty())
    }
}
