//! How fast the merging thread may go, and when it must end. It rests in proportion to what it worked, so that
//! the data path has the machine; on a busy machine work takes longer, and so do the rests.

use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

/// Work between two rests: shorter ones would be all overhead.
const WORK_MIN: Duration = Duration::from_millis(20);

/// Of one thread; not to be used on an async one.
pub struct Pace {
    share: f64,
    since: Instant,
    /// Time worked since the last call of [`Pace::take_worked`].
    worked: Duration,
    runtime: Handle,
    stop: watch::Receiver<bool>,
}

impl Pace {
    /// Works for `share` of the time, until `stop` says true.
    pub fn new(share: f64, runtime: Handle, stop: watch::Receiver<bool>) -> Self {
        Self { share, since: Instant::now(), worked: Duration::ZERO, runtime, stop }
    }

    /// True if the thread must end.
    pub fn is_over(&self) -> bool {
        *self.stop.borrow()
    }

    /// Begins a piece of work.
    pub fn begin(&mut self) {
        self.since = Instant::now();
    }

    /// Rests for as long as the work since the last rest asks for. False if the thread must end.
    pub fn rest(&mut self) -> bool {
        let worked = self.since.elapsed();
        if worked >= WORK_MIN {
            self.worked += worked;
            self.wait(worked.mul_f64((1.0 - self.share) / self.share));
            self.since = Instant::now();
        }
        !self.is_over()
    }

    /// Time worked since the last call.
    pub fn take_worked(&mut self) -> Duration {
        let unrested = self.since.elapsed();
        self.since = Instant::now();
        std::mem::take(&mut self.worked) + unrested
    }

    /// Waits, or until the thread must end.
    pub fn wait(&mut self, time: Duration) {
        if !time.is_zero() {
            // Whether the time is up or the end has come, the caller goes on and looks.
            let _ = self.until_over(async { tokio::time::sleep(time).await });
        }
    }

    /// What `work` gives; none if the thread must end first.
    pub fn until_over<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let Self { runtime, stop, .. } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                // A sender that is gone ends the thread, too.
                _ = stop.wait_for(|over| *over) => None,
                done = work => Some(done),
            }
        })
    }
}
