//! `millstream plugin bench`.

use anyhow::bail;

use crate::args;

/// Does it.
pub async fn bench(_args: args::Bench) -> anyhow::Result<()> {
    bail!("not there yet")
}
