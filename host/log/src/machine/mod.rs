//! The protocol as a state machine: an operation starts with [`Machine::refresh`], [`Machine::append`],
//! [`Machine::truncate`] or [`Machine::clean`], asks for one action after another, and is over when it
//! says [`Step::Done`]. Whoever drives it does the I/O and knows nothing of the rules; the machine
//! knows no store, no clock and no time-out.
//!
//! An operation may be left in the middle (the store is unreachable, the caller was cancelled): the
//! next one begins with [`Machine::resume`], since nothing may follow an outcome that is not known.

mod append;
mod catch_up;
mod maintain;
mod protocol;

use bytes::Bytes;
use millstream_model::entry::{Body, Entry, Sequence, SessionId};

pub use protocol::{Action, Event, Halt, Outcome, Step};

use crate::rejection::Rejection;
use crate::rules::Rules;
use crate::state::{FoldError, LogState};
use maintain::{Cleaning, Truncation};

/// An entry that was passed over by all readers, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Ignored {
    /// The slot.
    pub sequence: Sequence,
    /// Who wrote it.
    pub session: SessionId,
    /// The rule it breaks.
    pub rejection: Rejection,
}

/// One participant's side of the protocol.
#[derive(Debug)]
pub struct Machine {
    rules: Rules,
    state: LogState,
    /// Highest boundary seen; it only rises.
    boundary: Sequence,
    /// Nonce of the next attempt: each entry offered by this machine has its own.
    nonce: u64,
    goal: Goal,
    /// True from the offer of an entry to its conclusion.
    offering: bool,
    phase: Phase,
    asked: Option<Action>,
    halted: Option<Halt>,
    ignored: Vec<Ignored>,
}

/// The operation in progress.
#[derive(Debug)]
enum Goal {
    Refresh,
    Append(Body),
    Truncate(Truncation),
    Clean(Cleaning),
}

/// What the answer to the last action is for.
#[derive(Debug)]
enum Phase {
    Idle,
    Locating,
    LoadingSnapshot(Sequence),
    Reading,
    ConfirmingHead,
    ConfirmingBreak(FoldError),
    Creating(Attempt),
    Resolving(Attempt),
    Losing(Attempt, Bytes),
    Fencing(Attempt),
    Publishing,
    CheckingSnapshot,
    DeletingEntries,
    DeletingSnapshots,
    ListingFiles,
    DeletingFiles(Vec<String>),
}

/// An entry on offer.
#[derive(Debug)]
struct Attempt {
    entry: Entry,
    bytes: Bytes,
}

/// How the offer of an entry ended.
enum Conclusion {
    Accepted(Sequence),
    Rejected(Rejection),
    Fenced,
}

impl Machine {
    /// A machine that knows nothing yet; [`Machine::refresh`] it first.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            state: LogState::default(),
            boundary: 0,
            nonce: 0,
            goal: Goal::Refresh,
            offering: false,
            phase: Phase::Idle,
            asked: None,
            halted: None,
            ignored: Vec::new(),
        }
    }

    /// The log as far as it was read.
    pub fn state(&self) -> &LogState {
        &self.state
    }

    /// Entries that were passed over since the last call.
    pub fn take_ignored(&mut self) -> Vec<Ignored> {
        std::mem::take(&mut self.ignored)
    }

    /// Takes up an operation that was left in the middle: the action to repeat, if there is one.
    pub fn resume(&self) -> Option<Step> {
        self.asked.clone().map(Step::Do)
    }

    /// Reads to the head of the log.
    pub fn refresh(&mut self) -> Step {
        self.start(Goal::Refresh, Self::catch_up)
    }

    /// Offers an entry, at the head and on until it is accepted or rejected.
    pub fn append(&mut self, session: &SessionId, body: Body, written_at_us: i64) -> Step {
        let goal = Goal::Append(body.clone());
        self.start(goal, |machine| machine.offer(session.clone(), body, written_at_us))
    }

    /// The body of an append that was left in the middle.
    pub fn unsettled(&self) -> Option<&Body> {
        match &self.goal {
            Goal::Append(body) if self.asked.is_some() => Some(body),
            _ => None,
        }
    }

    /// Publishes a snapshot at the head, then deletes the entries before it, but for the last `keep`.
    pub fn truncate(&mut self, session: &SessionId, keep: u64, written_at_us: i64) -> Step {
        let truncation = Truncation::new(&self.rules, session, keep, written_at_us);
        self.start(Goal::Truncate(truncation), Self::catch_up)
    }

    /// Closes the given sessions, then deletes the files that nothing refers to and nothing ever can: those
    /// of closed sessions, and those that were replaced before `replaced_before_us`.
    pub fn clean(
        &mut self,
        session: &SessionId,
        close: Vec<SessionId>,
        replaced_before_us: i64,
        written_at_us: i64,
    ) -> Step {
        let cleaning = Cleaning::new(session, Some(close), replaced_before_us, written_at_us);
        self.start(Goal::Clean(cleaning), Self::catch_up)
    }

    /// Deletes the files that were replaced before `replaced_before_us`. Unlike [`Machine::clean`], it need
    /// not list what is there.
    pub fn sweep(&mut self, session: &SessionId, replaced_before_us: i64, written_at_us: i64) -> Step {
        let cleaning = Cleaning::new(session, None, replaced_before_us, written_at_us);
        self.start(Goal::Clean(cleaning), Self::catch_up)
    }

    /// Gives up a truncation or a cleaning that was left in the middle, if nothing may depend on how it
    /// ended: publishing a snapshot, listing and deleting can be begun anew at any time, while an entry on
    /// offer must be settled first. Says whether nothing is left to resume.
    pub fn abandon(&mut self) -> bool {
        let harmless = matches!(
            self.phase,
            Phase::Publishing
                | Phase::CheckingSnapshot
                | Phase::DeletingEntries
                | Phase::DeletingSnapshots
                | Phase::ListingFiles
                | Phase::DeletingFiles(_)
        );
        if harmless {
            self.phase = Phase::Idle;
            self.asked = None;
        }
        self.asked.is_none()
    }

    /// Takes the answer to the last action.
    ///
    /// # Panics
    /// If the event is no answer to that action: the driver is wrong.
    pub fn handle(&mut self, event: Event) -> Step {
        self.asked = None;
        match (std::mem::replace(&mut self.phase, Phase::Idle), event) {
            (Phase::Locating, Event::Boundary(boundary)) => self.located(boundary),
            (Phase::LoadingSnapshot(at), Event::Found(bytes)) => self.snapshot_found(at, &bytes),
            (Phase::LoadingSnapshot(_), Event::NotFound) => self.locate(),
            (Phase::Reading, Event::Found(bytes)) => self.slot_found(&bytes),
            (Phase::Reading, Event::NotFound) => self.slot_missing(),
            (Phase::ConfirmingHead, Event::Boundary(boundary)) => self.head_confirmed(boundary),
            (Phase::ConfirmingBreak(reason), Event::Boundary(boundary)) => {
                self.break_confirmed(reason, boundary)
            }
            (Phase::Creating(attempt), Event::Created) => self.fence(attempt),
            (Phase::Creating(attempt), Event::NotCreated) => self.not_created(attempt),
            (Phase::Resolving(attempt), Event::Found(bytes)) => self.resolve(attempt, &bytes),
            (Phase::Resolving(attempt), Event::NotFound) => self.offer_again(attempt),
            (Phase::Losing(attempt, bytes), Event::Boundary(boundary)) => {
                self.loss_confirmed(attempt, &bytes, boundary)
            }
            (Phase::Fencing(attempt), Event::Boundary(boundary)) => self.fenced(attempt, boundary),
            (Phase::Publishing, Event::Created) | (Phase::CheckingSnapshot, Event::Found(_)) => {
                self.published()
            }
            (Phase::Publishing, Event::NotCreated) => self.check_snapshot(),
            (Phase::CheckingSnapshot, Event::NotFound) => self.publish(),
            (Phase::DeletingEntries | Phase::DeletingSnapshots, Event::Deleted) => self.truncate_on(),
            (Phase::ListingFiles, Event::Files(paths)) => self.delete_garbage(paths),
            (Phase::DeletingFiles(paths), Event::Deleted) => self.cleaned(paths),
            (phase, event) => panic!("{event:?} is no answer to {phase:?}"),
        }
    }

    fn start(&mut self, goal: Goal, first: impl FnOnce(&mut Self) -> Step) -> Step {
        assert!(self.asked.is_none(), "an operation was left in the middle and must be resumed first");
        if let Some(halt) = &self.halted {
            return Step::Done(Outcome::Halted(halt.clone()));
        }
        self.goal = goal;
        first(self)
    }

    fn ask(&mut self, phase: Phase, action: Action) -> Step {
        self.phase = phase;
        self.asked = Some(action.clone());
        Step::Do(action)
    }

    fn halt(&mut self, halt: Halt) -> Step {
        self.halted = Some(halt.clone());
        Step::Done(Outcome::Halted(halt))
    }
}
