//! Every limit and every kind of bad output has a guest that breaks it on some rows: those rows are
//! rejected with what it was, the others pass, and the host is as it was before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream_engine::{Cause, Limits};

use crate::{batch, numbers, step};

/// Rows of which the sixth is guilty.
const ROWS: [i64; 10] = [0, 1, 2, 3, 4, -5, 6, 7, 8, 9];

fn check(mode: &str, limits: Limits, cause: Cause, reason: &str) {
    let output = step(mode, limits).instance().process(&batch(&ROWS));
    assert_eq!(numbers(&output.passed, "_offset"), [100, 101, 102, 103, 104, 106, 107, 108, 109], "{mode}");
    let [row] = output.rejected.as_slice() else { panic!("{mode}: {:?}", output.rejected) };
    assert_eq!((row.offset, row.cause), (105, cause), "{mode}: {}", row.reason);
    assert!(row.reason.contains(reason), "{mode}: `{reason}` is not in: {}", row.reason);
    assert!(row.reason.len() <= 256, "{mode}");
    assert_eq!(output.circuit, None, "{mode}");
}

#[test]
fn who_breaks_a_limit_loses_the_rows_that_did() {
    let limits = Limits {
        deadline: Duration::from_millis(20),
        memory_bytes: 8 << 20,
        stack_bytes: 64 << 10,
        output_bytes: 1 << 20,
        host_calls: 100_000,
        ..Limits::default()
    };
    let check = |mode, cause, reason| check(mode, limits.clone(), cause, reason);
    check("loops", Cause::Deadline, "plugin `misbehave` ran longer than 200 ms");
    check("memory", Cause::Memory, "plugin `misbehave` needs more than 8 MiB");
    check("stack", Cause::Stack, "plugin `misbehave` needs more stack than 64 KiB");
    check("too-much-output", Cause::OutputCap, "plugin `misbehave` stages more than 1 MiB in one call");
    check("huge-call", Cause::OutputCap, "plugin `misbehave` passes more than its output cap in one call");
    check(
        "host-calls",
        Cause::HostCalls,
        "plugin `misbehave` calls the host more than 100000 times in one call",
    );
}

/// The host ended such a call at once, so that no collector could free memory and go on.
#[test]
fn who_is_refused_memory_may_go_on_without() {
    let output = step("refused-spares", Limits::default()).instance().process(&batch(&[1, -2, 3]));
    assert_eq!((numbers(&output.passed, "n"), output.rejected.len()), (vec![2, -4, 6], 0));
    let check = |mode, cause, reason| check(mode, Limits::default(), cause, reason);
    // Who says what else went wrong is believed.
    check("refused-panics", Cause::Trap, "plugin `misbehave` panicked at wheels.rs:7:5: no such wheel");
    check(
        "refused-complains",
        Cause::Memory,
        "plugin `misbehave` needs more than 64 MiB; it says `plugin.js:7: InternalError: out of memory`",
    );
}

#[test]
fn who_breaks_a_limit_of_the_host_loses_the_rows_that_did() {
    check("handles", Limits::default(), Cause::Trap, "store handle limit exceeded");
    check("stack", Limits::default(), Cause::Stack, "needs more stack than 512 KiB");
    let rounded = Limits { stack_bytes: 100_000, ..Limits::default() };
    check("stack", rounded, Cause::Stack, "needs more stack than 128 KiB");
}

#[test]
fn bad_output_costs_the_rows_it_was_made_of() {
    let modes = [
        "traps",
        "panics",
        "keep-twice",
        "keep-short",
        "write-twice",
        "wrong-number",
        "read-wrong-number",
        "wrong-type",
        "read-wrong-type",
        "short",
        "short-validity",
        "not-utf8",
        "falling-offsets",
        "reject-no-row",
        "no-gather",
        "no-output",
        "gather-twice",
        "gather-short",
        "gather-no-row",
        "emit-wrong-number",
        "emit-wrong-type",
        "emit-short",
    ];
    for mode in modes {
        check(mode, Limits::default(), Cause::Trap, "plugin `misbehave` ");
    }
}

#[test]
fn one_guilty_row_among_ten_thousand_is_found() {
    let mut rows: Vec<i64> = (0..10_000).collect();
    rows[7_777] = -1;
    let output = step("traps", Limits::default()).instance().process(&batch(&rows));
    assert_eq!(output.passed.num_rows(), 9_999);
    assert_eq!(output.rejected.iter().map(|row| row.offset).collect::<Vec<_>>(), [7_877]);
}

#[test]
fn a_slow_step_that_keeps_its_deadline_is_left_alone() {
    let output = step("slow", Limits { deadline: Duration::from_secs(10), ..Limits::default() });
    assert_eq!(numbers(&output.instance().process(&batch(&[1, -2])).passed, "n"), [2, -4]);
}

/// Counts events, and bytes of their messages.
#[derive(Default)]
struct Lines {
    lines: AtomicUsize,
    bytes: AtomicUsize,
}

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "millstream::plugin"
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Length(usize);
        impl tracing::field::Visit for Length {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += if field.name() == "message" { format!("{value:?}").len() } else { 0 };
            }
        }
        let mut length = Length(0);
        event.record(&mut length);
        self.lines.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(length.0, Ordering::Relaxed);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_flood_of_log_lines_is_legal_and_held_back() {
    let check = |mode: &str, limits: Limits, lines_max: usize, bytes_max: usize| {
        let logged = Arc::new(Lines::default());
        let (mut instance, input) = (step(mode, limits).instance(), batch(&[1]));
        let began = std::time::Instant::now();
        let output = tracing::subscriber::with_default(Arc::clone(&logged), || instance.process(&input));
        assert_eq!(output.passed.num_rows(), 1, "{mode}: {:?}", output.rejected);
        let seconds = began.elapsed().as_secs() as usize + 1;
        let (lines, bytes) = (logged.lines.load(Ordering::Relaxed), logged.bytes.load(Ordering::Relaxed));
        assert!((1..=lines_max * seconds).contains(&lines), "{mode}: {lines} lines in {seconds} s");
        assert!((1..=bytes_max * seconds).contains(&bytes), "{mode}: {bytes} bytes in {seconds} s");
    };
    check("log-flood", Limits { log_lines_per_second: 3, ..Limits::default() }, 3, 100);
    check("chatty", Limits { log_bytes_per_second: 3000, ..Limits::default() }, 2, 3000);
}
