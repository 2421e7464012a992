//! `millstream tables merge`: merges the small files of a lake's tables, with a session of its own. Runs may go
//! on meanwhile: the log takes each file away once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use millstream_log::Rejection;
use millstream_model::entry::{Body, Control, Replace, SessionId};
use millstream_pipeline::checkpoint::{AppendError, CheckpointLog};
use millstream_pipeline::lake::Lake;
use millstream_pipeline::merge::{self, Group, MergeContext, MergeRequest, MergeSettings, Merger, Verdict};
use millstream_pipeline::sink::{FileNames, SinkSettings};
use millstream_pipeline::telemetry::{MergeFigures, MergeStatus};
use serde_json::json;

use crate::args::MergeTables;
use crate::units::count;
use crate::{out, tables};

/// Name of the worker that merges by hand. A second one takes over from the first.
const WORKER: &str = "tables merge";
/// Wait before a failed merge is tried again, doubled for each further failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Merges, or says what would be merged.
pub async fn merge(args: &MergeTables) -> anyhow::Result<()> {
    let (lake, mut log) = super::open_log(&args.lake).await?;
    let table = args.table.as_deref();
    if let Some(table) = table {
        tables::files(log.state(), table)?;
    }
    let settings = MergeSettings {
        target_bytes: args.target_size.max(1) as u64,
        interval: RETRY_INTERVAL,
        cpu_share: 1.0,
        ..MergeSettings::default()
    };
    let groups = merge::groups_by_hand(log.state(), &settings, table);
    if args.dry_run {
        return groups.iter().try_for_each(|group| show(group, args.lake.json));
    }
    if groups.is_empty() {
        return summary(MergeStatus::default(), args.lake.json);
    }
    let session = open_session(&mut log).await?;
    let merged = merge_all(&lake, &mut log, &session, settings, table).await;
    let closed = log.close_session().await;
    let merged = merged?;
    closed?;
    summary(merged, args.lake.json)?;
    if merged.failures > 0 {
        bail!("{} merge(s) failed, see the log; their files are as they were", merged.failures);
    }
    Ok(())
}

/// Opens a session, and closes what was left by merges that were killed.
async fn open_session(log: &mut CheckpointLog) -> anyhow::Result<SessionId> {
    let session = log.open_session(WORKER).await?;
    for earlier in log.state().earlier_sessions(WORKER, &session) {
        log.append(Body::Control(Control::SessionClosed { session: earlier })).await?;
    }
    Ok(session)
}

async fn merge_all(
    lake: &Lake,
    log: &mut CheckpointLog,
    session: &SessionId,
    settings: MergeSettings,
    table: Option<&str>,
) -> anyhow::Result<MergeStatus> {
    let figures = Arc::new(MergeFigures::default());
    let context = MergeContext {
        settings: settings.clone(),
        once: true,
        store: lake.store(),
        sink: Arc::new(SinkSettings::default()),
        names: FileNames::new(session.clone()),
        figures: figures.clone(),
    };
    let mut merger = Merger::start(context, tokio::runtime::Handle::current())?;
    while let Some(request) = merger.next().await {
        // A thread that has ended does not wait for the answer.
        match request {
            MergeRequest::Look(reply) => {
                log.refresh().await?;
                let _ = reply.send(merge::groups_by_hand(log.state(), &settings, table));
            }
            MergeRequest::Append(replace, reply) => {
                let _ = reply.send(append(log, replace).await?);
            }
        }
    }
    Ok(figures.status())
}

async fn append(log: &mut CheckpointLog, replace: Replace) -> anyhow::Result<Verdict> {
    match log.append(Body::Replace(replace)).await {
        Ok(_) => Ok(Verdict::Accepted),
        Err(AppendError::Rejected(Rejection::WriterNotOpen { .. })) => {
            bail!("another `millstream tables merge` has taken this lake over, so this one stops")
        }
        Err(AppendError::Rejected(_)) => Ok(Verdict::Rejected),
        Err(AppendError::Fenced) => Ok(Verdict::Unknown),
        Err(error) => Err(error.into()),
    }
}

fn show(group: &Group, json: bool) -> anyhow::Result<()> {
    let Group { table, topic, day, files, .. } = group;
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    if json {
        return out::line(json!({
            "table": table, "topic": topic, "day": day, "files": files.len(), "rows": rows, "bytes": bytes
        }));
    }
    let day = day.as_deref().unwrap_or("no day");
    let (files, rows, bytes) = (count(files.len() as u64), count(rows), count(bytes));
    out::line(format_args!("{table:<24} {day:<10} {files:>8} files {rows:>12} rows {bytes:>14} bytes"))
}

fn summary(merged: MergeStatus, json: bool) -> anyhow::Result<()> {
    if json {
        return out::line(json!(merged));
    }
    let MergeStatus { merges, files, bytes_read, bytes_written, .. } = merged;
    out::line(format_args!(
        "{} files became {}: {} bytes became {}",
        count(files),
        count(merges),
        count(bytes_read),
        count(bytes_written)
    ))
}
