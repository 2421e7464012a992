//! A table whose columns are as wide as their widest cell, with notes below rows.

/// The table; names to the left up to column `left`, numbers to the right behind it.
pub(super) fn text(titles: &[&str], left: usize, rows: Vec<(Vec<String>, Vec<String>)>) -> String {
    let titles = titles.iter().map(|title| (*title).to_owned()).collect::<Vec<_>>();
    let all: Vec<_> = std::iter::once((titles, Vec::new())).chain(rows).collect();
    let columns = all[0].0.len();
    let width = |column: usize| all.iter().map(|(cells, _)| cells[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    let row = |(cells, notes): &(Vec<String>, Vec<String>)| {
        let notes = notes.iter().map(|note| format!("  {note}\n"));
        line(cells, left, &widths) + &notes.collect::<String>()
    };
    all.iter().map(row).collect()
}

fn line(cells: &[String], left: usize, widths: &[usize]) -> String {
    let cells = cells.iter().zip(widths).enumerate().map(|(index, (cell, width))| match index < left {
        true => format!("{cell:<width$}"),
        false => format!("{cell:>width$}"),
    });
    format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
}
