//! What steps may use: the engine's defaults, over them `[plugins.limits]`, the file beside the plugin, and
//! the step. Each layer is checked where it stands, so that an error names its file, line and key.

use std::ops::RangeInclusive;
use std::time::Duration;

use millstream_engine::Limits;

use crate::{ConfigError, Document, typed};

/// The engine looks at the clock every 10 ms. Longer than an hour, a deadline is none.
const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
/// A Rust guest begins with 1 MiB of stack of its own; wasm's memories end at 4 GiB.
const MEMORY: RangeInclusive<usize> = 1 << 20..=4 << 30;
const STACK: RangeInclusive<usize> = Limits::STACK_BYTES_MIN..=Limits::STACK_BYTES_MAX;
const OUTPUT: RangeInclusive<usize> = 1 << 10..=4 << 30;

/// `below` with what `typed`, which stands at `keys` of `document`, says of it.
pub fn laid_over(
    below: &Limits,
    typed: &typed::Limits,
    document: &Document,
    keys: &[&str],
) -> Result<Limits, ConfigError> {
    let refuse = |key, message: &str| Err(document.error(&[keys, &[key]].concat(), message));
    let mut limits = below.clone();
    if let Some(deadline) = typed.deadline {
        limits.deadline = deadline.0;
        if !DEADLINE.contains(&limits.deadline) {
            return refuse("deadline", "expected 10ms to 1h");
        }
    }
    if let Some(memory) = typed.memory {
        limits.memory_bytes = memory.0;
        if !MEMORY.contains(&limits.memory_bytes) {
            return refuse("memory", "expected 1MiB to 4GiB");
        }
    }
    if let Some(stack) = typed.stack {
        limits.stack_bytes = stack.0;
        if !STACK.contains(&limits.stack_bytes) {
            return refuse("stack", "expected 64KiB to 1MiB");
        }
    }
    if let Some(output) = typed.output {
        limits.output_bytes = output.0;
        if !OUTPUT.contains(&limits.output_bytes) {
            return refuse("output", "expected 1KiB to 4GiB");
        }
    }
    if let Some(calls) = typed.host_calls {
        limits.host_calls = calls;
        if calls == 0 {
            return refuse("host_calls", "must be 1 at least");
        }
    }
    if let Some(lines) = typed.log_lines {
        limits.log_lines_per_second = lines;
    }
    if let Some(bytes) = typed.log_bytes {
        limits.log_bytes_per_second = bytes.0;
    }
    Ok(limits)
}
