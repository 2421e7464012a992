//! `millstream plugin build`.

use anyhow::bail;

use crate::args;

/// Does it.
pub fn build(_args: &args::Build) -> anyhow::Result<()> {
    bail!("not there yet")
}
