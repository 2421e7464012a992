//! The progress line of long work on a lake: about once a second, on standard error.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use millstream_pipeline::upkeep::Done;

use crate::units::count;

/// Time between two lines.
const INTERVAL: Duration = Duration::from_secs(1);

/// Writes progress; on a terminal over and over into one line.
pub struct Ticker {
    terminal: bool,
    written: Instant,
    open_line: bool,
}

impl Ticker {
    /// One that has shown nothing yet: short work shows nothing at all.
    pub fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), written: Instant::now(), open_line: false }
    }

    /// Shows how far the work is, if it is time to.
    pub fn show(&mut self, done: Done) {
        if self.written.elapsed() < INTERVAL {
            return;
        }
        self.written = Instant::now();
        let (begin, end) = if self.terminal { ("\r\x1b[2K", "") } else { ("", "\n") };
        let (of, what) = (count(done.of), done.what);
        // A standard error that is closed is no reason to stop.
        let _ = write!(std::io::stderr(), "{begin}{} of {of} {what}{end}", count(done.done));
        self.open_line = self.terminal;
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        if self.open_line {
            let _ = writeln!(std::io::stderr());
        }
    }
}
