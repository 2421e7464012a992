//! Offering an entry. Only the slot itself says whose it is: a create that was not confirmed is
//! looked up and, if the slot is empty, offered again with the same bytes; nothing else happens
//! until that is settled. A confirmed entry counts once the boundary has been seen not to be past it.

use bytes::Bytes;
use millstream_model::entry::{Body, Control, Entry, FORMAT, Sequence, SessionId};

use super::{Action, Attempt, Conclusion, Goal, Machine, Outcome, Phase, Step};
use crate::format::{decode_entry, encode_entry};
use crate::rejection::Rejection;
use crate::rules::Rule;

impl Machine {
    /// Checks the entry against the state and puts it into the next slot.
    pub(super) fn offer(&mut self, session: SessionId, body: Body, written_at_us: i64) -> Step {
        self.offering = true;
        let entry = Entry {
            format: self.format_of(&body),
            sequence: self.state.sequence() + 1,
            previous: self.state.digest(),
            session,
            nonce: self.next_nonce(),
            written_at_us,
            body,
        };
        match self.state.check(&entry, &self.rules) {
            Err(rejection) => self.conclude(Conclusion::Rejected(rejection)),
            Ok(()) => self.create(Attempt { bytes: encode_entry(&entry), entry }),
        }
    }

    /// Entries are of the log's own format, so that workers that know no later one can read them, and a new
    /// log begins with the newest. Only [`Control::Upgraded`] raises it.
    fn format_of(&self, body: &Body) -> u32 {
        match (body, self.state.format()) {
            (Body::Control(Control::Upgraded { format }), _) => *format,
            (_, 0) => FORMAT,
            (_, format) => format,
        }
    }

    fn next_nonce(&mut self) -> u64 {
        self.nonce += 1;
        self.nonce
    }

    fn create(&mut self, attempt: Attempt) -> Step {
        let action = Action::Create { sequence: attempt.entry.sequence, bytes: attempt.bytes.clone() };
        self.ask(Phase::Creating(attempt), action)
    }

    pub(super) fn not_created(&mut self, attempt: Attempt) -> Step {
        if !self.rules.has(Rule::ResolveUnknown) {
            return self.fence(attempt);
        }
        let slot = attempt.entry.sequence;
        self.ask(Phase::Resolving(attempt), Action::Get(slot))
    }

    /// The slot is empty; the create may still be on its way, so only its own bytes may follow it.
    pub(super) fn offer_again(&mut self, mut attempt: Attempt) -> Step {
        if !self.rules.has(Rule::IdenticalRetry) {
            attempt.entry.nonce = self.next_nonce();
            attempt.bytes = encode_entry(&attempt.entry);
        }
        self.create(attempt)
    }

    pub(super) fn resolve(&mut self, attempt: Attempt, bytes: &Bytes) -> Step {
        if self.rules.has(Rule::CompareNonce) && is_same(&attempt.entry, bytes) {
            return self.fence(attempt);
        }
        match self.rules.has(Rule::ConfirmLoss) {
            true => self.ask(Phase::Losing(attempt, bytes.clone()), Action::ReadBoundary),
            false => self.lost(attempt, bytes),
        }
    }

    /// Another entry is in the slot. If truncation has passed it, that one may be a zombie's, put in
    /// the place of the one on offer; only else is the race lost for certain.
    pub(super) fn loss_confirmed(&mut self, attempt: Attempt, bytes: &Bytes, boundary: Sequence) -> Step {
        match self.is_passed(attempt.entry.sequence, boundary) {
            true => self.load(boundary),
            false => self.lost(attempt, bytes),
        }
    }

    fn lost(&mut self, attempt: Attempt, bytes: &Bytes) -> Step {
        match self.fold(bytes) {
            Ok(()) => {
                let Entry { session, body, written_at_us, .. } = attempt.entry;
                self.offer(session, body, written_at_us)
            }
            Err(reason) => self.confirm_break(reason),
        }
    }

    pub(super) fn fence(&mut self, attempt: Attempt) -> Step {
        match self.rules.has(Rule::FenceByBoundary) {
            true => self.ask(Phase::Fencing(attempt), Action::ReadBoundary),
            false => self.accepted(attempt),
        }
    }

    pub(super) fn fenced(&mut self, attempt: Attempt, boundary: Sequence) -> Step {
        match self.is_passed(attempt.entry.sequence, boundary) {
            true => self.load(boundary),
            false => self.accepted(attempt),
        }
    }

    fn accepted(&mut self, attempt: Attempt) -> Step {
        let sequence = attempt.entry.sequence;
        match self.fold(&attempt.bytes) {
            Ok(()) => self.conclude(Conclusion::Accepted(sequence)),
            Err(reason) => self.confirm_break(reason),
        }
    }

    pub(super) fn conclude(&mut self, conclusion: Conclusion) -> Step {
        self.offering = false;
        match (&self.goal, conclusion) {
            (Goal::Truncate(_), Conclusion::Accepted(_)) => self.truncate_on(),
            (Goal::Truncate(_), Conclusion::Rejected(Rejection::BoundaryNotRising { .. })) => {
                Step::Done(Outcome::Truncated(None))
            }
            (Goal::Clean(_), Conclusion::Accepted(_)) => self.clean_told(true),
            (Goal::Clean(_), Conclusion::Rejected(Rejection::SessionNotOpen { .. })) => {
                self.clean_told(false)
            }
            (_, Conclusion::Accepted(sequence)) => Step::Done(Outcome::Accepted(sequence)),
            (_, Conclusion::Rejected(rejection)) => Step::Done(Outcome::Rejected(rejection)),
            (_, Conclusion::Fenced) => Step::Done(Outcome::Fenced),
        }
    }
}

/// True if the slot holds the very attempt that was offered.
fn is_same(offered: &Entry, bytes: &[u8]) -> bool {
    decode_entry(bytes).is_ok_and(|e| e.session == offered.session && e.nonce == offered.nonce)
}
