//! What became of each message of a batch: exactly one of out, dropped and dead, so that
//! `in = out + dropped + dead` holds for every entry of the log.

use std::collections::BTreeMap;

use millstream_model::entry::Counters;
use millstream_model::{MessageBatch, Offset};

use crate::plan::StreamPlan;

/// Fates of a batch's messages.
pub struct Fates {
    messages: u64,
    dead: BTreeMap<String, u64>,
    dropped: BTreeMap<usize, u64>,
    out: u64,
    /// By message, where one message may become several rows with fates of their own.
    each: Option<Vec<Fate>>,
}

/// Later ones win: a message is out if any row of it is, else dead if any row is, else dropped.
#[derive(Clone, Debug)]
enum Fate {
    Unknown,
    Dropped(usize),
    Dead(String),
    Out,
}

impl Fates {
    /// Fates of `messages` messages. `fans_out`: one message may become several rows.
    pub fn new(messages: usize, fans_out: bool) -> Self {
        let each = fans_out.then(|| vec![Fate::Unknown; messages]);
        Self { messages: messages as u64, dead: BTreeMap::new(), dropped: BTreeMap::new(), out: 0, each }
    }

    /// A row of message `row` was dead-lettered.
    pub fn dead(&mut self, row: usize, reason: &str) {
        match &mut self.each {
            Some(each) => raise(&mut each[row], Fate::Dead(reason.to_owned())),
            None => add(&mut self.dead, reason, 1),
        }
    }

    /// A row of message `row` was dropped by step number `step`.
    pub fn dropped(&mut self, row: usize, step: usize) {
        match &mut self.each {
            Some(each) => raise(&mut each[row], Fate::Dropped(step)),
            None => *self.dropped.entry(step).or_default() += 1,
        }
    }

    /// Rows of these offsets reached the curated table.
    pub fn out(&mut self, offsets: &[Offset], batch: &MessageBatch) {
        match &mut self.each {
            Some(each) => {
                for offset in offsets {
                    let row = batch.row_of(*offset).expect("a step's rows keep the offsets of its input");
                    each[row] = Fate::Out;
                }
            }
            None => self.out += offsets.len() as u64,
        }
    }

    /// All messages without a fate are out: the stream has no steps.
    pub fn rest_is_out(&mut self) {
        self.out = self.messages - self.dead.values().sum::<u64>();
    }

    /// Adds the fates to an entry's counters.
    pub fn add_to(mut self, counters: &mut Counters, plan: &StreamPlan) {
        for fate in self.each.take().unwrap_or_default() {
            match fate {
                Fate::Out => self.out += 1,
                Fate::Dead(reason) => add(&mut self.dead, &reason, 1),
                Fate::Dropped(step) => *self.dropped.entry(step).or_default() += 1,
                Fate::Unknown => debug_assert!(false, "a message of stream {} has no fate", plan.name),
            }
        }
        let dead = self.dead.values().sum::<u64>();
        let dropped = self.dropped.values().sum::<u64>();
        debug_assert_eq!(self.messages, self.out + dropped + dead, "in = out + dropped + dead");
        counters.r#in += self.messages;
        counters.out += self.out;
        for (reason, count) in &self.dead {
            counters.add_dead(reason, *count);
        }
        for (step, count) in &self.dropped {
            *counters.dropped.entry(plan.steps[*step].name.to_string()).or_default() += count;
        }
    }
}

fn raise(fate: &mut Fate, to: Fate) {
    let rank = |fate: &Fate| match fate {
        Fate::Unknown => 0,
        Fate::Dropped(_) => 1,
        Fate::Dead(_) => 2,
        Fate::Out => 3,
    };
    if rank(&to) > rank(fate) {
        *fate = to;
    }
}

fn add(counts: &mut BTreeMap<String, u64>, reason: &str, count: u64) {
    let known = counts.contains_key(reason) || counts.len() < Counters::REASONS_MAX;
    *counts.entry(if known { reason } else { Counters::OTHER_REASONS }.to_owned()).or_default() += count;
}
