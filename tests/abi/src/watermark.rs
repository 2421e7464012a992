//! Where the watermark moves: a function of the rows alone, so that every cut sees the same moves.

use crate::row::Row;

/// How a watermark follows event time.
#[derive(Debug, Clone, Copy)]
pub struct Moves {
    /// How far behind the highest event time of an input rows may come, microseconds.
    pub delay: i64,
    /// The watermark is a multiple of this, microseconds.
    pub grid: i64,
    /// At least so many rows lie between two moves: a replay of sparse rows would otherwise move,
    /// and so cut, at each row.
    pub rows_between: u32,
}

/// The minimum over the inputs of a task.
#[derive(Debug, Clone)]
pub struct Watermark {
    moves: Moves,
    highest: Vec<Option<i64>>,
    rows_since: u32,
    current: Option<i64>,
}

impl Watermark {
    /// Of a task that has seen no rows.
    pub fn new(moves: Moves, inputs: usize) -> Self {
        Self { moves, highest: vec![None; inputs], rows_since: 0, current: None }
    }

    /// Counts a row, and returns the new watermark if it moves after that row.
    pub fn after(&mut self, row: &Row) -> Option<i64> {
        self.note(row);
        self.rows_since += 1;
        let on_grid = self.lowest()?.div_euclid(self.moves.grid) * self.moves.grid;
        (self.rows_since >= self.moves.rows_between).then(|| self.raise(on_grid)).flatten()
    }

    /// The watermark without grid or distance: right only if asked at positions that no cut decides.
    pub(crate) fn at_once(&mut self) -> Option<i64> {
        let lowest = self.lowest()?;
        self.raise(lowest)
    }

    /// Notes a row without moving.
    pub(crate) fn note(&mut self, row: &Row) {
        let highest = &mut self.highest[row.input as usize];
        *highest = (*highest).max(Some(row.event_time));
    }

    fn lowest(&self) -> Option<i64> {
        self.highest.iter().copied().min().flatten().map(|highest| highest - self.moves.delay)
    }

    fn raise(&mut self, to: i64) -> Option<i64> {
        if self.current >= Some(to) {
            return None;
        }
        self.rows_since = 0;
        self.current = Some(to);
        self.current
    }
}
