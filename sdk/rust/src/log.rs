//! Messages to the host's log. The host limits their rate; a level that is switched off costs one
//! call and no formatting. Natively they go to stderr, and [`crate::testing::logged`] has them.
//!
//! ```
//! # use millstream_sdk::{log, testing};
//! log::warn("the table of zones is empty");
//! log::info(format_args!("{} zones", 3));
//! assert_eq!(testing::logged(), ["warn: the table of zones is empty", "info: 3 zones"]);
//! ```

use std::fmt::Display;

use crate::bindings::millstream::plugin::log::Level;

/// For the author.
pub fn debug(message: impl Display) {
    write(Level::Debug, message);
}

/// For the operator, in passing.
pub fn info(message: impl Display) {
    write(Level::Info, message);
}

/// For the operator, to look at.
pub fn warn(message: impl Display) {
    write(Level::Warn, message);
}

/// For the operator, to act on.
pub fn error(message: impl Display) {
    write(Level::Error, message);
}

#[cfg(target_arch = "wasm32")]
fn write(level: Level, message: impl Display) {
    use crate::bindings::millstream::plugin::log;
    if log::enabled(level) {
        log::log(level, &message.to_string());
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn write(level: Level, message: impl Display) {
    let level = match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    crate::testing::note_log(format!("{level}: {message}"));
}
