//! How long a call may go on, and how that is measured. The clock on the wall only says when to look: where
//! nobody else waits for a call, what counts is the CPU time that its thread got, so that a machine which has
//! too much to do is no proof against a plugin or a row. (A plugin cannot wait for anything by itself.)

use std::time::{Duration, Instant};

use wasmtime::UpdateDeadline;

use crate::limits::time;

/// How much more wall time than CPU time a call may take, and how much it may take in any case: beyond both,
/// nobody waits any more.
const PATIENCE: u32 = 10;
const PATIENCE_MIN: Duration = Duration::from_secs(60);

/// Wall time in which a thread should have got `limit` of CPU time.
fn patience(limit: Duration) -> Duration {
    (limit * PATIENCE).max(PATIENCE_MIN)
}

/// How long a call may go on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Allowance {
    /// So much wall time: for calls that others wait for. An overrun proves nothing.
    Wall(Duration),
    /// So much CPU time of the calling thread: for calls that nobody else waits for.
    Cpu(Duration),
}

impl Allowance {
    /// When to look for the first time: no call is over before.
    pub(crate) fn time(self) -> Duration {
        let (Self::Wall(time) | Self::Cpu(time)) = self;
        time
    }
}

/// A call was ended for taking too long.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Overrun {
    /// It had all the time that it may have.
    #[error("ran longer than {}", time(*.0))]
    Proven(Duration),
    /// It did not, and yet takes too long: the machine has too much to do.
    #[error("got {} of CPU time in {}, too little to tell whether it runs too long", time(*used), time(*waited))]
    Starved {
        /// CPU time.
        used: Duration,
        /// Wall time.
        waited: Duration,
    },
}

/// Time on both clocks since it was started; of the thread that started it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    wall: Instant,
    cpu: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), cpu: thread_cpu_time() }
    }

    /// CPU time and wall time since it was started.
    pub(crate) fn elapsed(&self) -> (Duration, Duration) {
        (thread_cpu_time().saturating_sub(self.cpu), self.wall.elapsed())
    }

    /// True if so much CPU time has gone by, or so much more wall time that it makes no difference.
    pub(crate) fn is_over(&self, limit: Duration) -> bool {
        thread_cpu_time().saturating_sub(self.cpu) >= limit || self.wall.elapsed() >= patience(limit)
    }
}

/// Watches one call.
#[derive(Debug)]
pub(crate) struct Watch {
    allowance: Allowance,
    since: Stopwatch,
}

impl Watch {
    pub(crate) fn start(allowance: Allowance) -> Self {
        // What is read of the CPU's clock counts only where it is looked at; reading it is not free.
        let cpu = match allowance {
            Allowance::Wall(_) => Duration::ZERO,
            Allowance::Cpu(_) => thread_cpu_time(),
        };
        Self { allowance, since: Stopwatch { wall: Instant::now(), cpu } }
    }

    /// Called on the call's own thread once [`Allowance::time`] is over on the wall, and at each tick behind
    /// it.
    pub(crate) fn look(&self) -> Result<UpdateDeadline, Overrun> {
        let Allowance::Cpu(limit) = self.allowance else {
            return Err(Overrun::Proven(self.allowance.time()));
        };
        let (used, waited) = (thread_cpu_time().saturating_sub(self.since.cpu), self.since.wall.elapsed());
        if used >= limit {
            return Err(Overrun::Proven(limit));
        }
        if waited >= patience(limit) {
            return Err(Overrun::Starved { used, waited });
        }
        Ok(UpdateDeadline::Continue(1))
    }
}

/// CPU time of the calling thread.
fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for the one write that the call makes.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    debug_assert_eq!(status, 0, "every Unix that wasmtime runs on keeps a clock for each thread");
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_that_the_thread_got_is_held_against_a_call() {
        let ago = |wall: u64, cpu: u64| Stopwatch {
            wall: Instant::now() - Duration::from_secs(wall),
            cpu: thread_cpu_time().saturating_sub(Duration::from_secs(cpu)),
        };
        // CPU time begins with the thread, so as much of it as a test needs has to be spent.
        let spend = |time: Duration| while thread_cpu_time() < time {};
        spend(Duration::from_millis(20));
        let look = |allowance, wall| Watch { allowance, since: ago(wall, 100) }.look();
        let limit = Duration::from_millis(10);
        assert!(matches!(look(Allowance::Wall(limit), 1), Err(Overrun::Proven(_))));
        assert!(matches!(look(Allowance::Cpu(limit), 1), Err(Overrun::Proven(_))));
        assert!(matches!(look(Allowance::Cpu(limit * 1000), 1), Ok(UpdateDeadline::Continue(1))));
        assert!(matches!(look(Allowance::Cpu(limit * 1000), 100), Err(Overrun::Starved { .. })));
        assert!(
            ago(1, 100).is_over(limit)
                && !ago(1, 100).is_over(limit * 1000)
                && ago(100, 0).is_over(limit * 1000)
        );
    }
}
