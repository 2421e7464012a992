//! `millstream plugin test`: runs the cases of a plugin in the engine, and says how what comes out differs from what
//! they expect. Cases are read, run and compared by the testkit; here is what is printed, and the exit code.

mod letters;
mod session;
mod watch;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use millstream_testkit::Colours;

use super::build;
use crate::args;
use session::Session;

/// Tests, makes cases of dead letters, or tests again and again.
pub async fn test(args: args::Test) -> anyhow::Result<()> {
    if args.from_dead_letters {
        return letters::to_cases(args).await;
    }
    if args.watch {
        return watch::watch(args).await;
    }
    let wasm = build::built(&args.plugin).await?;
    tokio::task::spawn_blocking(move || Session::new()?.test(&args, &wasm)?.told()).await?
}

/// Where the cases of the plugin are.
fn cases(under: &args::PluginUnderTest) -> PathBuf {
    under.cases.clone().unwrap_or_else(|| under.folder.join("cases"))
}

/// Colours where somebody sees them, and wants to (https://no-color.org).
fn colours() -> Colours {
    let is_wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if is_wanted && std::io::stdout().is_terminal() { Colours::Yes } else { Colours::No }
}
