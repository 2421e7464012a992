//! Truncation and cleaning. Both publish before they delete: a snapshot that readers and writers see
//! goes before the deletion of entries, a closed session before the deletion of its files.

use std::collections::VecDeque;

use millstream_model::entry::{Body, Control, Sequence, SessionId};

use super::{Action, Goal, Machine, Outcome, Phase, Step};
use crate::format::encode_snapshot;
use crate::rules::{Rule, Rules};
use crate::state::session_of;

/// A truncation in progress.
#[derive(Debug)]
pub(super) struct Truncation {
    session: SessionId,
    keep: u64,
    written_at_us: i64,
    boundary: Sequence,
    stages: VecDeque<Stage>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Publish,
    Record,
    DeleteEntries,
    DeleteSnapshots,
}

impl Truncation {
    pub(super) fn new(rules: &Rules, session: &SessionId, keep: u64, written_at_us: i64) -> Self {
        let stages = match rules.has(Rule::PublishBeforeDelete) {
            true => [Stage::Publish, Stage::Record, Stage::DeleteEntries, Stage::DeleteSnapshots],
            false => [Stage::DeleteEntries, Stage::Publish, Stage::Record, Stage::DeleteSnapshots],
        };
        Self { session: session.clone(), keep, written_at_us, boundary: 0, stages: stages.into() }
    }
}

/// A cleaning in progress.
#[derive(Debug)]
pub(super) struct Cleaning {
    session: SessionId,
    written_at_us: i64,
    /// Files that were replaced before this moment are garbage.
    replaced_before_us: i64,
    close: VecDeque<SessionId>,
    closed: Vec<SessionId>,
    /// True if only files that were replaced go: that needs no list of what is there.
    replaced_only: bool,
    /// Files that are deleted, while the log is told of those that were replaced.
    deleted: Vec<String>,
}

impl Cleaning {
    pub(super) fn new(
        session: &SessionId,
        close: Option<Vec<SessionId>>,
        replaced_before_us: i64,
        written_at_us: i64,
    ) -> Self {
        Self {
            session: session.clone(),
            written_at_us,
            replaced_before_us,
            replaced_only: close.is_none(),
            close: close.unwrap_or_default().into(),
            closed: Vec::new(),
            deleted: Vec::new(),
        }
    }
}

impl Machine {
    /// Next stage of a truncation. The state is that of the head when the first one begins, and the
    /// boundary is fixed then.
    pub(super) fn truncate_on(&mut self) -> Step {
        let head = self.state.sequence();
        let Goal::Truncate(truncation) = &mut self.goal else {
            unreachable!("only a truncation has these stages")
        };
        if truncation.boundary == 0 {
            truncation.boundary = head;
        }
        let (boundary, keep) = (truncation.boundary, truncation.keep);
        if head == 0 {
            return Step::Done(Outcome::Truncated(None));
        }
        match truncation.stages.pop_front() {
            None => Step::Done(Outcome::Truncated(Some(boundary))),
            Some(Stage::Publish) => self.publish(),
            Some(Stage::Record) => {
                let (session, at) = (truncation.session.clone(), truncation.written_at_us);
                self.offer(session, Body::Control(Control::Retention { boundary }), at)
            }
            Some(Stage::DeleteEntries) => {
                let below = boundary.saturating_sub(keep);
                self.ask(Phase::DeletingEntries, Action::DeleteEntries { below })
            }
            Some(Stage::DeleteSnapshots) => {
                self.ask(Phase::DeletingSnapshots, Action::DeleteSnapshots { below: boundary })
            }
        }
    }

    /// Publishes the state, which is still that of the boundary: nothing is folded before this is done.
    pub(super) fn publish(&mut self) -> Step {
        let action =
            Action::CreateSnapshot { sequence: self.state.sequence(), bytes: encode_snapshot(&self.state) };
        self.ask(Phase::Publishing, action)
    }

    /// Looks whether the snapshot is there after all. Every snapshot of a sequence is the same, so it
    /// does not matter whose it is.
    pub(super) fn check_snapshot(&mut self) -> Step {
        self.ask(Phase::CheckingSnapshot, Action::GetSnapshot(self.state.sequence()))
    }

    pub(super) fn published(&mut self) -> Step {
        self.boundary = self.boundary.max(self.state.sequence());
        self.truncate_on()
    }

    /// Closes the next session; behind the last one, finds the files that may go.
    pub(super) fn clean_on(&mut self) -> Step {
        let close_first = self.rules.has(Rule::CloseBeforeDelete);
        let cleaning = self.cleaning();
        match cleaning.close.front() {
            Some(session) if close_first => {
                let body = Body::Control(Control::SessionClosed { session: session.clone() });
                let (writer, at) = (cleaning.session.clone(), cleaning.written_at_us);
                self.offer(writer, body, at)
            }
            _ if cleaning.replaced_only => {
                let paths = self.state.replaced().keys().cloned().collect();
                self.delete_garbage(paths)
            }
            _ => self.ask(Phase::ListingFiles, Action::ListFiles),
        }
    }

    fn cleaning(&mut self) -> &mut Cleaning {
        match &mut self.goal {
            Goal::Clean(cleaning) => cleaning,
            _ => unreachable!("only a cleaning has these stages"),
        }
    }

    /// The entry of a cleaning stands (`by_us`), or need not: another worker was there first.
    pub(super) fn clean_told(&mut self, by_us: bool) -> Step {
        let cleaning = self.cleaning();
        match cleaning.close.pop_front() {
            Some(session) => {
                cleaning.closed.extend(by_us.then_some(session));
                self.clean_on()
            }
            None => self.cleaning_done(),
        }
    }

    /// Deletes the files that nothing refers to and nothing ever can.
    pub(super) fn delete_garbage(&mut self, mut paths: Vec<String>) -> Step {
        let cleaning = self.cleaning();
        let (before, close) = (cleaning.replaced_before_us, cleaning.close.clone());
        let doomed = |path: &str| session_of(path).is_some_and(|session| close.contains(&session));
        paths.retain(|path| {
            self.state.is_garbage(path, before) || (doomed(path) && !self.state.is_live(path))
        });
        match paths.is_empty() {
            true => self.cleaning_done(),
            false => self.ask(Phase::DeletingFiles(paths.clone()), Action::DeleteFiles(paths)),
        }
    }

    /// Tells the log of the replaced files that are gone, so that it can forget them.
    pub(super) fn cleaned(&mut self, deleted: Vec<String>) -> Step {
        let told = deleted.iter().filter(|path| self.state.replaced().contains_key(*path));
        let paths: Vec<_> = told.cloned().collect();
        let cleaning = self.cleaning();
        cleaning.close.clear();
        cleaning.deleted = deleted;
        if paths.is_empty() {
            return self.cleaning_done();
        }
        let (session, at) = (cleaning.session.clone(), cleaning.written_at_us);
        self.offer(session, Body::Control(Control::Cleaned { paths }), at)
    }

    fn cleaning_done(&mut self) -> Step {
        let cleaning = self.cleaning();
        let (closed, deleted) = (std::mem::take(&mut cleaning.closed), std::mem::take(&mut cleaning.deleted));
        Step::Done(Outcome::Cleaned { closed, deleted })
    }
}
