//! Messages to the host's log. The host limits their rate; a level that is switched off costs one
//! call and no formatting: `log::info(format_args!("{count} zones"))`. Natively they go to stderr.

use std::fmt::Arguments;

use crate::bindings::millstream::plugin::log::{self, Level};

/// For the author.
pub fn debug(message: Arguments<'_>) {
    write(Level::Debug, message);
}

/// For the operator, in passing.
pub fn info(message: Arguments<'_>) {
    write(Level::Info, message);
}

/// For the operator, to look at.
pub fn warn(message: Arguments<'_>) {
    write(Level::Warn, message);
}

/// For the operator, to act on.
pub fn error(message: Arguments<'_>) {
    write(Level::Error, message);
}

fn write(level: Level, message: Arguments<'_>) {
    if cfg!(not(target_arch = "wasm32")) {
        eprintln!("{level:?}: {message}");
    } else if log::enabled(level) {
        log::log(level, &message.to_string());
    }
}
