//! Rows that come a few at a time, one a line, in columns that stand still: the first rows say how wide a
//! column is, later values that are longer are cut. Columns for which there is no room are left out and
//! named.

use std::fmt::Write as _;

use serde_json::Value;

/// Widest column, in characters, unless there is room to spare. A time is never cut.
const COLUMN_WIDTH_MAX: usize = 18;
const TIME_WIDTH: usize = "2026-01-01T08:00:00.123456Z".len();
/// Rows between two headers.
const ROWS_PER_HEADER: usize = 40;

/// Columns of a table that is being printed.
pub struct Grid {
    names: Vec<String>,
    /// Columns that are printed whatever room there is.
    all: bool,
    room: usize,
    /// Numbers, widths and sides of the columns that are printed; none before the first rows.
    columns: Vec<Column>,
    rows: usize,
}

struct Column {
    name: String,
    width: usize,
    /// Width at which nothing of the first rows is cut.
    whole: usize,
    right: bool,
}

impl Grid {
    /// A grid of columns `names` in `room` characters; `all`: all of them are printed, room or not.
    pub fn new(names: Vec<String>, all: bool, room: usize) -> Self {
        Self { names, all, room, columns: Vec::new(), rows: 0 }
    }

    /// The lines of some more rows, which are JSON objects.
    pub fn rows(&mut self, rows: &[Value]) -> String {
        let mut text = String::new();
        if self.columns.is_empty() {
            let left_out = self.choose(rows);
            if !left_out.is_empty() {
                let left_out = left_out.join(", ");
                text += &format!("(no room for {left_out}; choose with --columns, or take --json)\n");
            }
        }
        for row in rows {
            if self.rows.is_multiple_of(ROWS_PER_HEADER) {
                let header = self.columns.iter().map(|column| column.cell(&column.name));
                text += &line(header);
                text += &line(self.columns.iter().map(|column| "─".repeat(column.width)));
            }
            self.rows += 1;
            text += &line(self.columns.iter().map(|column| column.cell(&shown(&row[&column.name]))));
        }
        text
    }

    /// Chooses columns and their widths by the first rows; gives the names of those left out.
    fn choose(&mut self, rows: &[Value]) -> Vec<String> {
        let mut left_out = Vec::new();
        let mut used = 0;
        // A stream's own columns are what one looks for; where a row came from stands behind them.
        let own_first = self.names.iter().filter(|name| !name.starts_with('_'));
        for name in own_first.chain(self.names.iter().filter(|name| name.starts_with('_'))) {
            let values = rows.iter().map(|row| shown(&row[name]));
            let times = values.clone().any(|value| is_time(&value));
            let widest = if times { TIME_WIDTH } else { COLUMN_WIDTH_MAX };
            let whole = values.map(|value| value.chars().count()).chain([name.chars().count()]).max();
            let whole = if times { TIME_WIDTH } else { whole.unwrap_or(0) };
            let width = whole.min(widest);
            if !self.all && !self.columns.is_empty() && used + width > self.room {
                left_out.push(name.clone());
                continue;
            }
            used += width + 2;
            let right = rows.iter().any(|row| row[name].is_number());
            self.columns.push(Column { name: name.clone(), width, whole, right });
        }
        // What room is left goes to the values that were cut.
        let mut left = (self.room + 2).saturating_sub(used);
        for column in &mut self.columns {
            let more = (column.whole - column.width).min(left);
            column.width += more;
            left -= more;
        }
        left_out
    }
}

impl Column {
    fn cell(&self, text: &str) -> String {
        let width = self.width;
        let mut cut: String = text.chars().take(width).collect();
        if text.chars().count() > width {
            cut.pop();
            cut.push('…');
        }
        if self.right { format!("{cut:>width$}") } else { format!("{cut:<width$}") }
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let mut line = String::new();
    for (index, cell) in cells.enumerate() {
        let gap = if index > 0 { "  " } else { "" };
        write!(line, "{gap}{cell}").expect("a string takes any text");
    }
    format!("{}\n", line.trim_end())
}

/// A value for people: no quotes around text, nothing for null, six digits behind the point.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.replace(|c: char| c.is_control(), " "),
        Value::Number(number) if number.is_f64() => {
            let number = (number.as_f64().unwrap_or_default() * 1e6).round() / 1e6;
            number.to_string()
        }
        value => value.to_string(),
    }
}

/// True for instants as JSON has them.
fn is_time(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.len() <= TIME_WIDTH && bytes.get(10) == Some(&b'T') && bytes.last() == Some(&b'Z')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_stand_still_and_those_without_room_are_named() {
        let names = ["_offset", "make", "speed", "note"].map(str::to_owned).to_vec();
        let mut grid = Grid::new(names, false, 24);
        let first = grid.rows(&[json!({ "_offset": 7, "make": "BMW", "speed": 12.5000001, "note": null })]);
        let expected = "(no room for _offset; choose with --columns, or take --json)\n\
                        make  speed  note\n────  ─────  ────\nBMW    12.5\n";
        assert_eq!(first, expected);
        let later = grid.rows(&[json!({ "_offset": 8, "make": "Mercedes", "speed": 1, "note": "a\nb" })]);
        assert_eq!(later, "Mer…      1  a b\n");
    }
}
