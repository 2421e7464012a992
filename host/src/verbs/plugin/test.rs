//! `millstream plugin test`.

use anyhow::bail;

use crate::args;

/// Does it.
pub async fn test(_args: args::Test) -> anyhow::Result<()> {
    bail!("not there yet")
}
