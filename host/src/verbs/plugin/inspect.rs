//! `millstream plugin inspect`.

use anyhow::bail;

use crate::args;

/// Does it.
pub async fn inspect(_args: &args::Inspect) -> anyhow::Result<()> {
    bail!("not there yet")
}
