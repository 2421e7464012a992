//! Open sessions of one key, in memory and as a state value. Knows nothing of batches or timers.

use crate::packed;

/// Rows of `[start, end)` event time; `end` is the last row's time plus the gap.
#[derive(Clone, Copy)]
pub struct Session {
    pub start: i64,
    pub end: i64,
    pub count: i64,
    pub sum: i64,
}

impl Session {
    /// The session of a row that no other has joined yet.
    pub fn of(time: i64, gap_micros: i64, amount: i64) -> Self {
        Self { start: time, end: time.saturating_add(gap_micros), count: 1, sum: amount }
    }
}

/// Adds a session, together with all that it touches, in order of start.
pub fn merge(open: &mut Vec<Session>, mut session: Session) {
    let (touched, apart): (Vec<Session>, Vec<Session>) =
        open.drain(..).partition(|other| other.start < session.end && session.start < other.end);
    for touched in touched {
        session.start = session.start.min(touched.start);
        session.end = session.end.max(touched.end);
        session.count += touched.count;
        session.sum = session.sum.wrapping_add(touched.sum);
    }
    open.extend(apart);
    open.push(session);
    open.sort_by_key(|session| session.start);
}

/// Reads a state value.
pub fn decode(value: &[u8]) -> Vec<Session> {
    let words = packed::integers(value);
    words.chunks_exact(4).map(|s| Session { start: s[0], end: s[1], count: s[2], sum: s[3] }).collect()
}

/// Writes a state value; no sessions give no value.
pub fn encode(open: &[Session]) -> Vec<u8> {
    packed::value(open.iter().flat_map(|session| [session.start, session.end, session.count, session.sum]))
}
