//! `millstream backup`: copies a lake as it is at one entry.

use std::sync::Arc;

use millstream_model::SystemClock;
use millstream_pipeline::lake::Lake;
use millstream_pipeline::upkeep::Done;
use millstream_pipeline::upkeep::backup::{self, BackedUp};
use serde_json::json;

use crate::args::Backup;
use crate::out;
use crate::ticker::Ticker;
use crate::units::{bytes, count};

/// Copies, and says what was copied.
pub async fn backup(args: Backup) -> anyhow::Result<()> {
    let lake = super::open_lake(&args.lake).await?;
    let to = Lake::open(&args.to)?;
    to.look().await?;
    let mut ticker = Ticker::new();
    let mut observe = |done: Done| ticker.show(done);
    let BackedUp { head, copied, entries, deleted } =
        backup::backup(&lake, &to, Arc::new(SystemClock), &mut observe).await?;
    drop(ticker);
    if args.lake.json {
        return out::line(json!({
            "head": head, "files_copied": copied.files, "bytes_copied": copied.bytes, "files_present": copied.present,
            "entries_copied": entries, "files_deleted": deleted,
        }));
    }
    out::line(format_args!(
        "{} holds {} up to entry {head}: {} files with {} and {} entries copied, {} files were there already, {} that are \
         not needed any more were deleted",
        to.url(),
        lake.url(),
        count(copied.files),
        bytes(copied.bytes),
        count(entries),
        count(copied.present),
        count(deleted)
    ))
}
