//! CPU time and memory of this process, as Linux accounts them.

use std::fs;

/// CPU time of the calling thread in nanoseconds: what else the machine does is not in it. Unlike
/// `/proc/thread-self/schedstat`, it is exact between two ticks of the scheduler.
///
/// # Panics
/// If the kernel does not keep a clock for each thread.
pub fn thread_cpu_ns() -> u64 {
    cpu_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// CPU time of all threads of this process in nanoseconds.
///
/// # Panics
/// If the kernel does not keep a clock for each process.
pub fn process_cpu_ns() -> u64 {
    cpu_ns(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn cpu_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for the one write that the call makes.
    let status = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(status, 0, "Linux keeps a clock for each thread and process");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
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
