//! CPU time and memory of this process, as Linux accounts them.

use std::fs;

/// CPU time of the calling thread in nanoseconds: what else the machine does is not in it.
///
/// # Panics
/// Where there is no `/proc` (the benchmarks run on Linux only).
pub fn thread_cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux with /proc");
    text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds stand first")
}

/// Largest resident memory of the process so far, in bytes.
///
/// # Panics
/// Where there is no `/proc`.
pub fn peak_memory_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("Linux with /proc");
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel keeps VmHWM");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("kilobytes") * 1024
}
