//! Results go to standard output through here. `println!` panics when nobody reads any more; these
//! give an error, which [`crate::exit`] knows what to do with.

use std::fmt::Display;
use std::io::{Write as _, stdout};

/// Writes one line.
pub fn line(text: impl Display) -> anyhow::Result<()> {
    Ok(writeln!(stdout(), "{text}")?)
}

/// Writes text that ends its own lines.
pub fn text(text: impl Display) -> anyhow::Result<()> {
    Ok(write!(stdout(), "{text}")?)
}
