//! `millstream plugin new`.

use anyhow::bail;

use crate::args;

/// Does it.
pub fn new(_args: &args::New) -> anyhow::Result<()> {
    bail!("not there yet")
}
