//! What `millstream top` shows, drawn from one or two statuses of a process. Nothing here asks the process
//! or the terminal for anything.

use std::time::{Duration, Instant};

use millstream_model::entry::Counters;
use millstream_pipeline::admin::StepId;
use millstream_pipeline::telemetry::{Quantiles, Status, StepStatus, StreamStatus};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::candidate::about;
use crate::units::{bytes, count, count_within, millis, uptime};

/// Widths of the columns of a wide and of a narrow terminal: name, records/s, in, out, dropped, dead,
/// lag, p50, p99.
const WIDE: [usize; 9] = [20, 11, 12, 11, 10, 10, 9, 8, 8];
const NARROW: [usize; 9] = [14, 10, 9, 9, 8, 8, 7, 7, 7];
/// What begins every line.
const MARGIN: &str = " ";

/// What is known of a process.
pub struct Screen {
    /// Where the process is.
    pub base: String,
    /// Its last status.
    pub now: Status,
    /// The one before it.
    pub before: Option<Status>,
    /// Since when there is no newer one.
    pub silent_since: Option<Instant>,
    /// Lines that were scrolled away.
    pub scroll: u16,
}

impl Screen {
    /// Draws everything into `frame`.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let body = self.body(usize::from(area.width));
        let head = self.head();
        let parts = [Constraint::Length(head.len() as u16), Constraint::Fill(1), Constraint::Length(1)];
        let [top, middle, bottom] = Layout::vertical(parts).areas(area);
        let hidden = (body.len() as u16).saturating_sub(middle.height);
        frame.render_widget(Paragraph::new(head), top);
        frame.render_widget(Paragraph::new(body).scroll((self.scroll.min(hidden), 0)), middle);
        frame.render_widget(Paragraph::new(self.foot(hidden > 0)), bottom);
    }

    /// Lines that all of it takes at this width.
    pub fn height(&self, width: u16) -> u16 {
        (self.head().len() + self.body(usize::from(width)).len() + 1) as u16
    }

    fn head(&self) -> Vec<Line<'static>> {
        let Status { readiness, source, checkpoints, uploads, .. } = &self.now;
        let state = match (self.silent_since, readiness.ready) {
            (Some(_), _) => " gone ".white().on_red(),
            (None, true) => " ready ".black().on_green(),
            (None, false) => " not ready ".white().on_red(),
        };
        let mut lines = vec![Line::from(vec![
            format!("{MARGIN}millstream {}", self.now.millstream).bold(),
            format!("  {}  ", self.now.worker).into(),
            state,
            format!("  up {}  ", uptime(Duration::from_secs_f64(self.now.uptime_seconds))).into(),
            self.base.clone().dim(),
        ])];
        let lag = source.lag.map_or("?".to_owned(), count);
        lines.push(figures(&[
            ("records/s", count(self.rate(messages))),
            ("lag", lag),
            ("partitions", count(source.assigned)),
            ("revocations", count(source.revocations)),
            ("uploading", bytes(uploads.bytes_in_flight)),
        ]));
        let took = |of: fn(&Quantiles) -> u64| match checkpoints.duration {
            none if none.count == 0 => "–".to_owned(),
            some => millis(of(&some)),
        };
        let age = checkpoints.age_seconds.map(|age| millis((age * 1000.0) as u64));
        lines.push(figures(&[
            ("checkpoint", count(checkpoints.sequence)),
            ("age", age.unwrap_or("–".to_owned())),
            ("takes p50", took(|of| of.p50_ms)),
            ("p99", took(|of| of.p99_ms)),
            ("lost races", count(checkpoints.lost_races)),
        ]));
        let warn = |text: &String| Line::from(format!("{MARGIN}{text}")).red();
        lines.extend(readiness.reasons.iter().map(warn));
        lines.extend(self.silent_since.map(|since| {
            let old = uptime(since.elapsed());
            Line::from(format!("{MARGIN}no answer any more; these figures are {old} old")).red().bold()
        }));
        lines.push(Line::default());
        lines
    }

    fn body(&self, width: usize) -> Vec<Line<'static>> {
        let widths = if width > WIDE.iter().sum() { &WIDE } else { &NARROW };
        let titles = ["stream / step", "records/s", "in", "out", "dropped", "dead", "lag", "p50", "p99"]
            .map(str::to_owned);
        let mut lines = vec![Line::from(row(widths, &titles)).add_modifier(Modifier::BOLD).cyan()];
        for stream in &self.now.streams {
            lines.push(Line::from(row(widths, &self.stream(stream, widths))).bold());
            lines.extend(self.paused(stream));
            for step in &stream.steps {
                lines.push(self.step(stream, step, widths));
                lines.extend(self.candidate(stream, step));
            }
            lines.extend(watermark(stream));
        }
        if !self.now.tables.is_empty() {
            lines.push(Line::default());
            let titles = format!(
                "{MARGIN}{:<28}{:>13}{:>10}{:>13}{:>13}",
                "table", "rows", "files", "size", "bytes/row"
            );
            lines.push(Line::from(titles).bold().cyan());
        }
        for (table, size) in &self.now.tables {
            let per_row = if size.rows > 0 {
                format!("{:.1}", size.bytes as f64 / size.rows as f64)
            } else {
                String::new()
            };
            let (rows, files, bytes) = (count(size.rows), count(size.files), bytes(size.bytes));
            lines.push(Line::from(format!(
                "{MARGIN}{table:<28}{rows:>13}{files:>10}{bytes:>13}{per_row:>13}"
            )));
        }
        lines
    }

    fn stream(&self, stream: &StreamStatus, widths: &[usize; 9]) -> [String; 9] {
        let rate = self.rate(|status| find(status, &stream.name).map_or(0, |stream| stream.messages));
        let of = &stream.committed;
        let fit = |number, column: usize| count_within(number, widths[column] - 1);
        let recent = Some(&stream.recent_latency).filter(|latency| latency.count > 0);
        let latency = |of: fn(&Quantiles) -> u64| recent.map_or(String::new(), |latency| millis(of(latency)));
        [
            stream.name.clone(),
            fit(rate, 1),
            fit(of.r#in, 2),
            fit(of.out, 3),
            fit(of.dropped.values().sum(), 4),
            fit(of.dead.values().sum(), 5),
            stream.lag.map_or("?".to_owned(), |lag| fit(lag, 6)),
            latency(|of| of.p50_ms),
            latency(|of| of.p99_ms),
        ]
    }

    fn step(&self, stream: &StreamStatus, step: &StepStatus, widths: &[usize; 9]) -> Line<'static> {
        let earlier = self.before.as_ref().and_then(|before| find(before, &stream.name));
        let earlier =
            earlier.and_then(|stream| stream.steps.iter().find(|earlier| earlier.name == step.name));
        let rate = self.rate(|status| {
            let stream = find(status, &stream.name);
            let step =
                stream.and_then(|stream| stream.steps.iter().find(|earlier| earlier.name == step.name));
            step.map_or(0, |step| step.rows)
        });
        let fit = |number, column: usize| count_within(number, widths[column] - 1);
        let cells = [
            format!("  {}", step.name),
            fit(rate, 1),
            fit(step.rows, 2),
            fit(step.passed, 3),
            fit(step.dropped, 4),
            fit(step.rejected_rows(), 5),
        ];
        let mut spans = vec![Span::from(row(widths, &cells))];
        let cost = recent_cost(step, earlier).map_or(String::new(), |micros| format!("{micros:.2} µs/row"));
        let digits = if widths == &WIDE { 12 } else { 8 };
        spans.push(format!(" {cost:>12} {:.digits$}", step.digest).dim());
        if step.circuit.is_some() {
            spans.push(Span::styled("  circuit open", Style::new().fg(Color::Red).bold()));
        }
        Line::from(spans)
    }

    /// Why the stream is not read on with, if it is not.
    fn paused(&self, stream: &StreamStatus) -> Option<Line<'static>> {
        let pause = self.now.paused.get(&stream.name)?;
        Some(Line::from(format!("{MARGIN}  paused: {}", pause.reason)).red().bold())
    }

    /// The version that the step does not run, or not yet.
    fn candidate(&self, stream: &StreamStatus, step: &StepStatus) -> Option<Line<'static>> {
        let is_of = |id: &StepId| id.stream == stream.name && id.step == step.name;
        let candidate = self.now.candidates.iter().find(|candidate| is_of(&candidate.step))?;
        Some(Line::from(format!("{MARGIN}    {}", about(&candidate.into()))).yellow())
    }

    fn foot(&self, scrolls: bool) -> Line<'static> {
        let scroll = if scrolls { "  ↑↓ scroll" } else { "" };
        let text =
            format!("{MARGIN}q quit{scroll}  ·  streams count what all runs committed, steps this run");
        Line::from(text).dim()
    }

    /// Difference of a counter between the two statuses, by second.
    fn rate(&self, of: impl Fn(&Status) -> u64) -> u64 {
        let Some(before) = &self.before else { return 0 };
        let seconds = self.now.uptime_seconds - before.uptime_seconds;
        if seconds <= 0.0 {
            return 0;
        }
        (of(&self.now).saturating_sub(of(before)) as f64 / seconds).round() as u64
    }
}

/// How far event time is complete, and what was not as it should be.
fn watermark(stream: &StreamStatus) -> Option<Line<'static>> {
    let lag = stream.watermark_lag_seconds?;
    let (lag, side) = (millis((lag.abs() * 1000.0) as u64), if lag < 0.0 { "ahead" } else { "behind" });
    let mut text = format!("{MARGIN}  watermark {lag} {side}");
    let StreamStatus { idle_partitions, committed: Counters { late, ahead, .. }, .. } = stream;
    for (figure, what) in
        [(idle_partitions, "idle partitions"), (late, "late"), (ahead, "ahead of their timestamp")]
    {
        if *figure > 0 {
            text += &format!("  ·  {} {what}", count(*figure));
        }
    }
    Some(Line::from(text).dim())
}

/// Microseconds per row since the status before, or since the start if no row came since.
fn recent_cost(now: &StepStatus, before: Option<&StepStatus>) -> Option<f64> {
    let before = before.filter(|before| now.rows > before.rows && now.busy_seconds >= before.busy_seconds);
    let recent = |before: &StepStatus| {
        (now.busy_seconds - before.busy_seconds) * 1e6 / (now.rows - before.rows) as f64
    };
    before.map(recent).or_else(|| now.micros_per_row())
}

fn find<'a>(status: &'a Status, stream: &str) -> Option<&'a StreamStatus> {
    status.streams.iter().find(|known| known.name == stream)
}

/// Cells side by side: the first one to the left, the others to the right of their columns.
fn row(widths: &[usize; 9], cells: &[String]) -> String {
    let mut line = MARGIN.to_owned();
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        if index == 0 {
            let name: String = cell.chars().take(width - 1).collect();
            line += &format!("{name:<width$}");
        } else {
            line += &format!("{cell:>width$}");
        }
    }
    line
}

/// Figures behind what they are, the figures standing out.
fn figures(figures: &[(&'static str, String)]) -> Line<'static> {
    let spans = figures
        .iter()
        .flat_map(|(what, figure)| [format!("{MARGIN}{what} ").dim(), figure.clone().bold(), "  ".into()]);
    Line::from(spans.collect::<Vec<_>>())
}

/// Messages that a process has read.
fn messages(status: &Status) -> u64 {
    status.streams.iter().map(|stream| stream.messages).sum()
}
