//! `millstream restore`: brings a backup back as a lake, verified before and after.

use std::sync::Arc;

use anyhow::bail;
use millstream_model::SystemClock;
use millstream_pipeline::lake::Lake;
use millstream_pipeline::upkeep::Done;
use millstream_pipeline::upkeep::restore::{self, Restored};
use serde_json::json;

use super::verify::look;
use crate::args::Restore;
use crate::out;
use crate::ticker::Ticker;
use crate::units::{bytes, count};

/// Restores, and says where the lake goes on.
pub async fn restore(args: Restore) -> anyhow::Result<()> {
    let from = Lake::open_existing(&args.from)?;
    from.look().await?;
    let to = Lake::open(&super::lake_url(&args.lake)?)?;
    to.look().await?;
    let json = args.lake.json;
    if look(&from, false, json).await?.problems > 0 {
        bail!("the backup {} is not sound, so nothing was restored", from.url());
    }
    let mut ticker = Ticker::new();
    let mut observe = |done: Done| ticker.show(done);
    let restored = restore::restore(&from, &to, args.force, Arc::new(SystemClock), &mut observe).await?;
    drop(ticker);
    if look(&to, false, json).await?.problems > 0 {
        bail!("{} is not sound after restoring; restore again", to.url());
    }
    let Restored { from: head, at, abandoned, copied } = restored;
    if json {
        return out::line(json!({
            "from": head, "at": at, "abandoned": abandoned, "files_copied": copied.files, "bytes_copied": copied.bytes,
            "files_present": copied.present,
        }));
    }
    out::line(format_args!(
        "{} is as {} at entry {head} and goes on at entry {}: {} files with {} copied, {} were there already; what the source \
         has since then is read again",
        to.url(),
        from.url(),
        at + 1,
        count(copied.files),
        bytes(copied.bytes),
        count(copied.present)
    ))
}
