//! Says whether a shadow showed what its policy asks for, and if not, why, in words.

use super::policy::ShadowPolicy;
use super::report::ShadowReport;
use crate::admin::ShadowStatus;

impl ShadowPolicy {
    /// Judges a shadow that is over.
    ///
    /// # Errors
    /// Every threshold that was not kept, as `12.3 % of the rows differ, at most 1 % may`; why the shadow could
    /// not be finished, if so.
    pub fn judge(&self, status: &ShadowStatus) -> Result<(), Vec<String>> {
        let mut reasons = Vec::new();
        if !status.done {
            reasons.push("the shadow is not over".to_owned());
        }
        if let Some(error) = &status.error {
            reasons.push(format!("the shadow could not be finished: {error}"));
        }
        self.judge_report(&status.report, &mut reasons);
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }

    fn judge_report(&self, report: &ShadowReport, reasons: &mut Vec<String>) {
        if report.rows < self.rows_min {
            let (seen, least) = (rows(report.rows), self.rows_min);
            reasons.push(format!("only {seen} were compared, at least {least} must be"));
        }
        let different = share(report.rows_different, report.rows);
        if different > self.different_max {
            let most = percent(self.different_max);
            reasons.push(format!("{} of the rows differ, at most {most} may", percent(different)));
        }
        if self.different_max < 1.0 {
            reasons.extend(changed_columns(report));
        }
        let (before, now) = (report.live.rejected_rows(), report.candidate.rejected_rows());
        let more = share(now.saturating_sub(before), report.rows);
        if more > self.rejected_more_max {
            let (more, most) = (percent(more), percent(self.rejected_more_max));
            reasons.push(format!(
                "the candidate rejects {more} of the rows more than the live version, at most {most} may be"
            ));
        }
        reasons.extend(self.slower(report));
        if report.newly_failed > self.traps_max {
            let (failed, most) = (rows(report.newly_failed), self.traps_max);
            reasons.push(format!(
                "the candidate alone fails at {failed} by a trap, a deadline or another limit, at most {most} may be"
            ));
        }
    }

    fn slower(&self, report: &ShadowReport) -> Option<String> {
        let live = report.live.micros_per_row(report.rows).filter(|live| *live > 0.0)?;
        let candidate = report.candidate.micros_per_row(report.rows)?;
        let times = candidate / live;
        let most = self.slower_max;
        (times > most).then(|| {
            format!(
                "the candidate takes {candidate:.2} µs a row and the live version {live:.2}, which is {times:.1} \
                 times as long; at most {most} times may be"
            )
        })
    }
}

fn changed_columns(report: &ShadowReport) -> impl Iterator<Item = String> {
    let changes = [
        ("adds", &report.columns_added),
        ("leaves out", &report.columns_removed),
        ("retypes", &report.columns_retyped),
    ];
    let changes = changes.into_iter().filter(|(_, columns)| !columns.is_empty());
    changes.map(|(does, columns)| {
        let noun = if columns.len() == 1 { "column" } else { "columns" };
        format!("the candidate {does} {noun} {}", columns.join(", "))
    })
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

fn share(part: u64, rows: u64) -> f64 {
    if rows == 0 { 0.0 } else { part as f64 / rows as f64 }
}

/// A share in percent, with as many digits as tell it from 0: `12.3 %`, `1 %`, `0.02 %`.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = match percent {
        10.0.. => 1,
        0.1.. => 2,
        _ => 4,
    };
    let text = format!("{percent:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{} %", if text.is_empty() { "0" } else { text })
}

#[cfg(test)]
mod tests {
    use millstream_model::Digest;

    use super::*;
    use crate::admin::StepId;
    use crate::shadow::SideReport;

    fn check(change: impl FnOnce(&mut ShadowStatus), expect: &[&str]) {
        let side = || SideReport { busy_seconds: 0.002, ..SideReport::default() };
        let report = ShadowReport { rows: 2000, live: side(), candidate: side(), ..ShadowReport::default() };
        let mut status = ShadowStatus {
            id: 1,
            step: StepId::new("s", "t"),
            plugin: Digest::of(b"candidate"),
            done: true,
            error: None,
            report,
        };
        change(&mut status);
        assert_eq!(ShadowPolicy::default().judge(&status).err().unwrap_or_default(), expect);
    }

    #[test]
    fn what_keeps_all_thresholds_may_go_on() {
        check(|_| {}, &[]);
        check(|status| status.report.rows_different = 20, &[]);
        check(|status| status.report.candidate.busy_seconds = 0.004, &[]);
        let same = |status: &mut ShadowStatus| {
            status.report.live.rejected.insert("trap".to_owned(), 900);
            status.report.candidate.rejected.insert("plugin".to_owned(), 920);
        };
        check(same, &[]);
    }

    #[test]
    fn what_does_not_is_said_in_words() {
        check(|status| status.report.rows_different = 246, &["12.3 % of the rows differ, at most 1 % may"]);
        check(|status| status.report.rows = 999, &["only 999 rows were compared, at least 1000 must be"]);
        let rejects = |status: &mut ShadowStatus| {
            status.report.candidate.rejected.insert("plugin".to_owned(), 21);
        };
        let expect =
            "the candidate rejects 1.05 % of the rows more than the live version, at most 1 % may be";
        check(rejects, &[expect]);
        let expect = "the candidate takes 3.00 µs a row and the live version 1.00, which is 3.0 times as long; at \
                      most 2 times may be";
        check(|status| status.report.candidate.busy_seconds = 0.006, &[expect]);
        let expect =
            "the candidate alone fails at 1 row by a trap, a deadline or another limit, at most 0 may be";
        check(|status| status.report.newly_failed = 1, &[expect]);
        let columns = |status: &mut ShadowStatus| {
            status.report.columns_removed = vec!["speed".to_owned(), "fuel of alerts".to_owned()];
            status.error = Some("its circuit opened: no licence".to_owned());
        };
        let expect = [
            "the shadow could not be finished: its circuit opened: no licence",
            "the candidate leaves out columns speed, fuel of alerts",
        ];
        check(columns, &expect);
        check(|status| status.done = false, &["the shadow is not over"]);
    }

    #[test]
    fn shares_are_written_for_people() {
        assert_eq!(
            [1.0, 0.123, 0.05, 0.0105, 0.0002, 0.0].map(percent),
            ["100 %", "12.3 %", "5 %", "1.05 %", "0.02 %", "0 %"]
        );
    }
}
