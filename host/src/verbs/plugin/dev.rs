//! `millstream plugin dev`.

use anyhow::bail;

use crate::args;

/// Does it.
pub async fn dev(_args: args::Dev) -> anyhow::Result<()> {
    bail!("not there yet")
}
