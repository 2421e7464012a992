//! The machine has too much to do, and no row and no plugin is blamed for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use millstream_engine::{Cause, Limits};

use crate::{batch, numbers, step};

/// Threads that turn and turn until this is dropped.
struct Spinning(Arc<AtomicBool>);

impl Spinning {
    fn start(threads: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..threads {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || while !stop.load(Ordering::Relaxed) {});
        }
        Self(stop)
    }
}

impl Drop for Spinning {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How long a slow call takes when it is watched by nobody: with a deadline of twice that, wall time would
/// overrun as soon as six threads share a core.
fn slow_call() -> Duration {
    let mut instance = step("slow", Limits::default()).instance();
    instance.warm().unwrap();
    let began = Instant::now();
    assert_eq!(instance.process(&batch(&[1])).rejected, []);
    began.elapsed()
}

#[test]
fn no_good_row_is_blamed_on_an_overloaded_machine() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let deadline = slow_call() * 2;
    let _spinning = Spinning::start(cores * 6);
    let mut instance =
        step("slow", Limits { deadline, overruns_per_batch: 2, ..Limits::default() }).instance();
    for _ in 0..2 {
        let output = instance.recover(&batch(&[1, 2, 3, 4])).expect("the circuit stays closed");
        assert_eq!((numbers(&output.passed, "n"), output.rejected), (vec![2, 4, 6, 8], vec![]));
    }
}

#[test]
fn a_guilty_row_is_blamed_on_an_overloaded_machine_too() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let _spinning = Spinning::start(cores * 2);
    let limits = Limits { deadline: Duration::from_millis(20), ..Limits::default() };
    let output = step("loops", limits).instance().recover(&batch(&[1, -2, 3])).unwrap();
    assert_eq!(numbers(&output.passed, "n"), [2, 6]);
    assert_eq!(output.rejected.iter().map(|row| row.cause).collect::<Vec<_>>(), [Cause::Deadline]);
}
