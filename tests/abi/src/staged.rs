//! What one call has asked for, and how it takes effect: all of it if the call returns ok, else nothing.

use std::collections::{BTreeMap, HashMap};

use crate::row::{Row, Value};
use crate::task::{DeadLetter, Emitted, Origin, Task, Timer};

/// What a call works on.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Rows of one input.
    Rows(Vec<Row>),
    /// Timers of one move of the watermark.
    Timers(Vec<Timer>, i64),
}

impl Work {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::Timers(timers, _) => timers.len(),
        }
    }

    /// Keeps what lies before `at` and returns the rest.
    pub(crate) fn split_off(&mut self, at: usize) -> Self {
        match self {
            Self::Rows(rows) => Self::Rows(rows.split_off(at)),
            Self::Timers(timers, watermark) => Self::Timers(timers.split_off(at), *watermark),
        }
    }

    pub(crate) fn origin(&self, index: usize) -> Origin {
        match self {
            Self::Rows(rows) => Origin::Row { input: rows[index].input, offset: rows[index].offset },
            Self::Timers(timers, watermark) => {
                Origin::Timer { watermark: *watermark, timer: timers[index].clone() }
            }
        }
    }
}

/// A row of a builder that was emitted.
#[derive(Debug)]
pub(crate) struct StagedRow {
    pub(crate) output: u32,
    pub(crate) parent: usize,
    pub(crate) columns: Vec<Value>,
}

/// The effects of one call.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    pub(crate) keep: Option<Vec<bool>>,
    pub(crate) rejects: BTreeMap<usize, String>,
    pub(crate) emitted: Vec<StagedRow>,
    pub(crate) puts: BTreeMap<(String, Vec<u8>), Option<Vec<u8>>>,
    /// True sets, false cancels.
    pub(crate) timers: BTreeMap<Timer, bool>,
}

impl Staged {
    /// Applies the effects to the task. Everything leaves in the order of its parents, so that the
    /// order does not show the cuts.
    pub(crate) fn apply(mut self, work: &Work, task: &mut Task) {
        for ((store, key), value) in self.puts {
            task.put(&store, key, value);
        }
        for (timer, set) in self.timers {
            task.set_timer(timer, set);
        }
        if let Work::Rows(rows) = work {
            let kept = |index: &usize| {
                self.keep.as_ref().is_none_or(|keep| keep[*index]) && !self.rejects.contains_key(index)
            };
            let kept = (0..rows.len()).filter(kept).map(|index| (rows[index].input, rows[index].offset));
            task.outcome.kept.extend(kept);
        }
        for (index, reason) in self.rejects {
            task.outcome.dead.push(DeadLetter { origin: work.origin(index), reason });
        }
        self.emitted.sort_by_key(|row| row.parent);
        let mut ordinals: HashMap<(usize, u32), u32> = HashMap::new();
        for StagedRow { output, parent, columns } in self.emitted {
            let next = ordinals.entry((parent, output)).or_default();
            task.outcome.emitted.push(Emitted {
                output,
                origin: work.origin(parent),
                ordinal: *next,
                columns,
            });
            *next += 1;
        }
    }
}
