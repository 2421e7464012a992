//! `millstream tables clean`: lists the files that no checkpoint names, with whose they are and why they
//! may go; deletes them where asked to.

use std::time::Duration;

use anyhow::bail;
use millstream_log::LogState;
use millstream_model::entry::SessionId;
use millstream_model::{Clock as _, SystemClock};
use millstream_pipeline::config::{Config, LogPolicy};
use millstream_pipeline::upkeep::clean::{self, Leftover};
use serde_json::json;

use crate::args::Clean;
use crate::out;
use crate::units::{bytes, count, millis};

/// How recently a worker must have written to be taken for running.
const RUNNING: Duration = Duration::from_mins(1);

/// Lists, and deletes if asked to.
pub async fn clean(args: &Clean) -> anyhow::Result<()> {
    let kept = keep_replaced(args)?;
    let (lake, mut log) = super::open_log(&args.lake).await?;
    let closing = match &args.close {
        Some(worker) => sessions_to_close(log.state(), worker, args.force)?,
        None => Vec::new(),
    };
    let leftovers = clean::leftovers(&lake, log.state(), &closing, SystemClock.now_us(), kept).await?;
    for leftover in &leftovers {
        show(leftover, &lake.display_path(&leftover.path), args.lake.json)?;
    }
    let going = leftovers.iter().any(|leftover| leftover.fate.may_go());
    let deleted = match args.yes && (going || !closing.is_empty()) {
        true => Some(clean::clean(&lake, &mut log, closing, kept).await?),
        false => None,
    };
    let deleted = deleted.map(|cleaned| (cleaned.closed.len(), cleaned.deleted.len()));
    summarise(args, &leftovers, deleted)
}

/// The flag, or what a run of the configuration would keep.
fn keep_replaced(args: &Clean) -> anyhow::Result<Duration> {
    Ok(match (args.keep_replaced, &args.lake.lake) {
        (Some(kept), _) => kept,
        (None, None) => Config::log(&args.lake.config.config, std::env::vars())?.keep_replaced,
        (None, Some(_)) => LogPolicy::default().keep_replaced,
    })
}

fn sessions_to_close(state: &LogState, worker: &str, force: bool) -> anyhow::Result<Vec<SessionId>> {
    let (sessions, last_us) = clean::open_sessions(state, worker);
    let Some(last_us) = last_us else {
        let open = state.sessions().values().filter(|session| !session.is_closed());
        let mut open: Vec<_> = open.map(|session| session.worker.as_str()).collect();
        open.sort_unstable();
        open.dedup();
        let open = if open.is_empty() { "none".to_owned() } else { open.join(", ") };
        bail!("worker `{worker}` has no open session; workers that have one: {open}");
    };
    let ago = Duration::from_micros(SystemClock.now_us().saturating_sub(last_us).max(0).unsigned_abs());
    if ago < RUNNING && !force {
        bail!(
            "worker `{worker}` wrote {} ago and may be running: a run whose session is closed stops; stop it first, \
             or add --force",
            millis(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX))
        );
    }
    Ok(sessions)
}

fn show(leftover: &Leftover, path: &str, json: bool) -> anyhow::Result<()> {
    let Leftover { bytes: size, session, worker, fate, .. } = leftover;
    if json {
        return out::line(json!({
            "path": path, "bytes": size, "session": session, "worker": worker, "may_go": fate.may_go(),
            "reason": fate.reason(),
        }));
    }
    let verb = if fate.may_go() { "goes " } else { "stays" };
    let of = match (session, worker) {
        (Some(session), Some(worker)) => format!(" (session {session} of {worker})"),
        _ => String::new(),
    };
    out::line(format_args!("{verb}  {:>9}  {path}: {}{of}", bytes(*size), fate.reason()))
}

fn summarise(args: &Clean, leftovers: &[Leftover], deleted: Option<(usize, usize)>) -> anyhow::Result<()> {
    let sum = |goes: bool| {
        let of_fate = leftovers.iter().filter(move |leftover| leftover.fate.may_go() == goes);
        (of_fate.clone().count() as u64, of_fate.map(|leftover| leftover.bytes).sum::<u64>())
    };
    let ((go, go_bytes), (stay, stay_bytes)) = (sum(true), sum(false));
    let (closed, deleted) = deleted.unwrap_or_default();
    if args.lake.json {
        return out::line(json!({ "summary": {
            "may_go": { "files": go, "bytes": go_bytes }, "stay": { "files": stay, "bytes": stay_bytes },
            "sessions_closed": closed, "files_deleted": deleted, "dry": !args.yes,
        }}));
    }
    out::line(format_args!(
        "{} files, {} may go; {} files, {} stay",
        count(go),
        bytes(go_bytes),
        count(stay),
        bytes(stay_bytes)
    ))?;
    match args.yes {
        true => out::line(format_args!("{closed} sessions closed, {} files deleted", count(deleted as u64))),
        false if go > 0 => out::line("nothing was deleted; --yes does it"),
        false => Ok(()),
    }
}
