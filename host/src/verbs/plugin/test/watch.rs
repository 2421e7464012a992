//! `--watch`: tests again whenever a file of the plugin or of its cases changes. What was shown before is cleared.

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;

use super::super::build;
use super::session::Session;
use crate::{args, out};

/// Quiet that ends a change: editors save in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// Folders that no source lies in.
const LEFT_OUT: [&str; 4] = ["target", "node_modules", "__pycache__", "sdk"];
/// Clears the terminal and what was scrolled out of it.
const CLEAR: &str = "\x1b[2J\x1b[3J\x1b[H";

/// Tests until the process is ended.
pub async fn watch(args: args::Test) -> anyhow::Result<()> {
    let (mut changes, _watcher) = watched(&args)?;
    let mut session = Session::new()?;
    let mut args = args;
    loop {
        if std::io::stdout().is_terminal() {
            out::text(CLEAR)?;
        }
        (session, args) = round(session, args).await?;
        out::line("waiting for changes (Ctrl-C ends)")?;
        changes.recv().await.context("the system does not tell of changes any more")?;
        while timeout(QUIET, changes.recv()).await.is_ok() {}
    }
}

/// One round. What is wrong with the plugin or a case is printed and waits for the next change.
async fn round(session: Session, args: args::Test) -> anyhow::Result<(Session, args::Test)> {
    let built = build::built(&args.plugin).await;
    let tested = move || {
        let result = built.and_then(|wasm| session.test(&args, &wasm));
        (session, args, result)
    };
    let (session, args, result) = tokio::task::spawn_blocking(tested).await?;
    if let Err(error) = result {
        out::line(format_args!("error: {error:#}"))?;
    }
    Ok((session, args))
}

/// Says when something has changed: one message for any number of changes since the last was taken.
fn watched(args: &args::Test) -> anyhow::Result<(Receiver<()>, RecommendedWatcher)> {
    let (hint, changes) = channel(1);
    let is_built = args.plugin.wasm.is_none();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let Ok(event) = event else { return };
        if !event.kind.is_access() && event.paths.iter().any(|path| matters(path, is_built)) {
            // Full: a hint is on its way already.
            let _ = hint.try_send(());
        }
    })
    .context("the system does not tell of changes of files; test without --watch")?;
    let cases = super::cases(&args.plugin);
    let wasm = args.plugin.wasm.as_deref().and_then(Path::parent);
    let folder = if is_built { Some(args.plugin.folder.as_path()) } else { wasm };
    let beside = folder.map(|folder| match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    });
    let watch = |watcher: &mut RecommendedWatcher, path: &Path, mode| {
        watcher.watch(path, mode).with_context(|| format!("cannot watch {}", path.display()))
    };
    watch(&mut watcher, &cases, RecursiveMode::Recursive)?;
    if let Some(folder) = beside {
        let mode = if is_built { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        watch(&mut watcher, folder, mode)?;
    }
    Ok((changes, watcher))
}

/// False for what a build writes.
fn matters(path: &Path, is_built: bool) -> bool {
    let is_output = is_built && path.extension().is_some_and(|extension| extension == "wasm");
    let parts = path.components().filter_map(|part| part.as_os_str().to_str());
    !is_output
        && !parts
            .into_iter()
            .any(|part| LEFT_OUT.contains(&part) || (part.len() > 1 && part.starts_with('.') && part != ".."))
}
