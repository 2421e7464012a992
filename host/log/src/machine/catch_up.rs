//! Reading to the head of the log. A missing slot is the head only if no snapshot lies beyond it,
//! and a slot that does not fit is corruption only if truncation has not passed it: below the
//! boundary a zombie may have put anything.

use millstream_model::entry::Sequence;

use super::{Action, Conclusion, Goal, Halt, Ignored, Machine, Outcome, Phase, Step};
use crate::format::decode_snapshot;
use crate::rules::Rule;
use crate::state::{FoldError, Folded, LogState};

impl Machine {
    /// Reads on from the state; from the newest snapshot if there is no state yet.
    pub(super) fn catch_up(&mut self) -> Step {
        match self.state.sequence() {
            0 => self.locate(),
            _ => self.read(),
        }
    }

    pub(super) fn locate(&mut self) -> Step {
        self.ask(Phase::Locating, Action::ReadBoundary)
    }

    pub(super) fn located(&mut self, boundary: Sequence) -> Step {
        match boundary {
            0 if self.boundary == 0 => self.read(),
            _ => self.load(boundary),
        }
    }

    fn read(&mut self) -> Step {
        self.ask(Phase::Reading, Action::Get(self.state.sequence() + 1))
    }

    /// Throws the state away and loads the one at `boundary`.
    pub(super) fn load(&mut self, boundary: Sequence) -> Step {
        if boundary < self.boundary {
            return self.halt(Halt::BoundaryBack { seen: self.boundary, found: boundary });
        }
        self.boundary = boundary;
        self.ask(Phase::LoadingSnapshot(boundary), Action::GetSnapshot(boundary))
    }

    pub(super) fn snapshot_found(&mut self, sequence: Sequence, bytes: &[u8]) -> Step {
        match decode_snapshot(bytes) {
            Err(reason) => self.halt(Halt::Snapshot { sequence, reason }),
            Ok(state) if state.sequence() != sequence => {
                self.halt(Halt::SnapshotMisplaced { sequence, found: state.sequence() })
            }
            Ok(state) => self.resume_from(state),
        }
    }

    fn resume_from(&mut self, state: LogState) -> Step {
        self.state = state;
        self.read()
    }

    pub(super) fn slot_found(&mut self, bytes: &[u8]) -> Step {
        match self.fold(bytes) {
            Ok(()) => self.read(),
            Err(reason) => self.confirm_break(reason),
        }
    }

    /// Folds the next slot and notes an entry that has no effect.
    pub(super) fn fold(&mut self, bytes: &[u8]) -> Result<(), FoldError> {
        if let Folded::Ignored(entry, rejection) = self.state.fold(bytes, &self.rules)? {
            let (sequence, session) = (entry.sequence, entry.session);
            self.ignored.push(Ignored { sequence, session, rejection });
        }
        Ok(())
    }

    pub(super) fn slot_missing(&mut self) -> Step {
        match self.rules.has(Rule::BoundaryAtHead) {
            true => self.ask(Phase::ConfirmingHead, Action::ReadBoundary),
            false => self.caught_up(),
        }
    }

    pub(super) fn head_confirmed(&mut self, boundary: Sequence) -> Step {
        match self.is_passed(self.state.sequence(), boundary) {
            true => self.load(boundary),
            false => self.caught_up(),
        }
    }

    /// True if the state must be loaded anew: truncation has passed `sequence`, or (which `load` tells)
    /// the boundary went back.
    pub(super) fn is_passed(&mut self, sequence: Sequence, boundary: Sequence) -> bool {
        let passed = boundary > sequence || boundary < self.boundary;
        if !passed {
            self.boundary = boundary;
        }
        passed
    }

    pub(super) fn confirm_break(&mut self, reason: FoldError) -> Step {
        self.ask(Phase::ConfirmingBreak(reason), Action::ReadBoundary)
    }

    pub(super) fn break_confirmed(&mut self, reason: FoldError, boundary: Sequence) -> Step {
        match self.is_passed(self.state.sequence(), boundary) {
            true => self.load(boundary),
            false => self.halt(Halt::Entry { sequence: self.state.sequence() + 1, reason }),
        }
    }

    /// At the head. A writer that had to read on in the middle of its append was fenced.
    fn caught_up(&mut self) -> Step {
        if std::mem::take(&mut self.offering) {
            return self.conclude(Conclusion::Fenced);
        }
        match &self.goal {
            Goal::Refresh | Goal::Append(_) => Step::Done(Outcome::Current),
            Goal::Truncate(_) => self.truncate_on(),
            Goal::Clean(_) => self.clean_on(),
        }
    }
}
