//! `millstream plugin repro`.

use anyhow::bail;

use crate::args;

/// Does it.
pub async fn repro(_args: args::Repro) -> anyhow::Result<()> {
    bail!("not there yet")
}
