//! `--watch`: tests again whenever a file of the plugin or of its cases changes. What was shown before is cleared.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use millstream_toolchain::PluginFolder;
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
    let watched = folders(args, is_built)?;
    let roots: Vec<PathBuf> = watched.iter().map(|(folder, _)| folder.clone()).collect();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let Ok(event) = event else { return };
        if !event.kind.is_access() && event.paths.iter().any(|path| matters(path, &roots, is_built)) {
            // Full: a hint is on its way already.
            let _ = hint.try_send(());
        }
    })
    .context("the system does not tell of changes of files; test without --watch")?;
    for (folder, mode) in watched {
        watcher.watch(&folder, mode).with_context(|| format!("cannot watch {}", folder.display()))?;
    }
    Ok((changes, watcher))
}

/// What is watched and how: absolute, without links, as the system will name what changes there.
fn folders(args: &args::Test, is_built: bool) -> anyhow::Result<Vec<(PathBuf, RecursiveMode)>> {
    let cases = super::cases(&args.plugin);
    let wasm = args.plugin.wasm.as_deref().and_then(Path::parent);
    let folder = if is_built { Some(args.plugin.folder.as_path()) } else { wasm };
    let beside = folder.map(|folder| match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    });
    let absolute =
        |path: &Path| path.canonicalize().with_context(|| format!("cannot watch {}", path.display()));
    let mut folders = vec![(absolute(&cases)?, RecursiveMode::Recursive)];
    if let Some(folder) = beside {
        let mode = if is_built { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        folders.push((absolute(folder)?, mode));
    }
    if is_built {
        // One that cannot be opened is for the build to name.
        let dependencies = PluginFolder::open(&args.plugin.folder).map(|folder| folder.dependencies());
        folders.extend(
            dependencies.unwrap_or_default().into_iter().map(|folder| (folder, RecursiveMode::Recursive)),
        );
    }
    Ok(folders)
}

/// False for what a build writes. Only what lies below one of `roots` is looked at: the names of the folders above
/// are not the plugin's.
fn matters(path: &Path, roots: &[PathBuf], is_built: bool) -> bool {
    let is_output = is_built && path.extension().is_some_and(|extension| extension == "wasm");
    let is_left_out = |part: &str| LEFT_OUT.contains(&part) || part.starts_with('.');
    let is_seen =
        |within: &Path| !within.components().any(|part| part.as_os_str().to_str().is_some_and(is_left_out));
    !is_output && roots.iter().filter_map(|root| path.strip_prefix(root).ok()).any(is_seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders_above_the_plugin_do_not_matter() {
        let roots = ["/me/.work/target/p/cases", "/me/.work/target/p"].map(PathBuf::from);
        let check = |path: &str, is_built: bool, expect: bool| {
            assert_eq!(matters(Path::new(path), &roots, is_built), expect, "{path}");
        };
        check("/me/.work/target/p/src/lib.rs", true, true);
        check("/me/.work/target/p/cases/one/input.jsonl", true, true);
        check("/me/.work/target/p/target/debug/x.rs", true, false);
        check("/me/.work/target/p/src/.lib.rs.swp", true, false);
        check("/me/.work/target/p/p.wasm", true, false);
        check("/me/.work/target/p/p.wasm", false, true);
        check("/me/.work/other/src/lib.rs", true, false);
    }
}
