//! `--watch`: tests again whenever a file of the plugin or of its cases changes. What was shown before is cleared.

use std::io::IsTerminal as _;
use std::path::Path;

use millstream_toolchain::{BuildError, FolderError, PluginFolder};

use super::super::build;
use super::super::watch::{Watch, Watched};
use super::session::Session;
use crate::{args, out};

/// Clears the terminal and what was scrolled out of it.
const CLEAR: &str = "\x1b[2J\x1b[3J\x1b[H";

/// Tests until the process is ended.
pub async fn watch(args: args::Test) -> anyhow::Result<()> {
    let mut watch = Watch::new(watched(&args.plugin)?, super::cases(&args.plugin))?;
    let mut session = Session::new()?;
    let mut args = args;
    loop {
        if std::io::stdout().is_terminal() {
            out::text(CLEAR)?;
        }
        (session, args) = round(session, args).await?;
        watch.learn();
        out::line("waiting for changes (Ctrl-C ends)")?;
        watch.changed().await;
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

/// The sources of the plugin; of one that is built elsewhere its file, and the settings beside it or in the folder.
fn watched(under: &args::PluginUnderTest) -> anyhow::Result<Watched> {
    if let Some(wasm) = &under.wasm {
        return Ok(files(&under.folder, wasm));
    }
    match PluginFolder::open(&under.folder) {
        Ok(folder) => Ok(Watched::Sources(folder)),
        Err(error @ FolderError::NoPlugin { .. }) => match build::only_file(&under.folder) {
            Some(wasm) => Ok(files(&under.folder, &wasm)),
            None => Err(BuildError::from(error).into()),
        },
        Err(error) => Err(BuildError::from(error).into()),
    }
}

fn files(folder: &Path, wasm: &Path) -> Watched {
    let beside = wasm.with_extension("toml");
    let in_folder = beside.file_name().map(|name| folder.join(name));
    Watched::Files([wasm.to_owned(), beside].into_iter().chain(in_folder).collect())
}
