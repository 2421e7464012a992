//! What was measured, for people.

use std::fmt::Write as _;

use super::Report;
use super::measure::Spread;
use crate::units::{bytes, count};

/// All of it, and what is to be thought of it.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        writeln!(text, "{name:<11} {value}").expect("a string takes any text");
    };
    let language = report.language.unwrap_or("unknown language");
    let (size, digest) = (bytes(report.size_bytes as u64), report.digest.short());
    line("plugin", format!("{} {} ({digest}), {language}, {size}", report.plugin, report.version));
    let (distinct, batch) = (count(report.rows_distinct as u64), count(report.rows_per_batch as u64));
    line("rows", format!("{distinct} of {}, in batches of {batch}", report.rows_from));
    line(
        "time",
        format!("{} a row, {} rows/s", micros(&report.ns_per_row), count(report.rows_per_second as u64)),
    );
    line(
        "",
        format!("CPU time, the host's part included; median of {} rounds, tenth to ninetieth", report.rounds),
    );
    line("batch", format!("{} ms, at most {:.1} ms", millis(&report.batch_ms), report.batch_ms.max));
    line("bytes", format!("{:.1} in, {:.1} out a row", report.bytes_in_per_row, report.bytes_out_per_row));
    line("host calls", format!("{} a batch", count(report.host_calls_per_batch)));
    let (memory, limit) = (bytes(report.memory_bytes as u64), bytes(report.memory_limit_bytes as u64));
    line("memory", format!("{memory} at most; its limit is {limit}"));
    line("compile", format!("{:.0} ms, from the cache {:.1} ms", report.compile_ms, report.cached_load_ms));
    line("instance", format!("{} ms to make and configure one", millis(&report.instantiate_ms)));
    let load =
        report.load_average.map_or("unknown load".to_owned(), |load| format!("load average {load:.1}"));
    line("machine", format!("{} CPUs, {load}", report.cpus));
    text + &warnings(report)
}

fn micros(spread: &Spread) -> String {
    let [median, tenth, ninetieth] = [spread.median, spread.tenth, spread.ninetieth].map(|ns| ns / 1e3);
    format!("{median:.3} µs ({tenth:.3} to {ninetieth:.3})")
}

fn millis(spread: &Spread) -> String {
    format!("{:.2} ({:.2} to {:.2})", spread.median, spread.tenth, spread.ninetieth)
}

fn warnings(report: &Report) -> String {
    let mut text = String::new();
    if report.batch_ms.median > report.hold_ms {
        text += &format!(
            "\nwarning: a batch takes longer than the {:.0} ms that a step may hold its thread: such batches pass aside, \
             one at a time for each partition (docs/containment.md); make batches smaller, with worker.batch_rows, or \
             the plugin faster\n",
            report.hold_ms
        );
    }
    if report.load_average.is_some_and(|load| load > report.cpus as f64) {
        text += "\nnote: the machine has more to do than it has CPUs; CPU time suffers less from that than time on the \
                 wall, and it does suffer: caches are shared\n";
    }
    if !report.is_release {
        text += "\nnote: this millstream was built with debug assertions; the host's part of a call takes longer than in \
                 a release\n";
    }
    text
}
