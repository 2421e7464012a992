//! The `millstream` command. This file parses the command line and maps errors to exit codes; each
//! verb has a file of its own under `verbs/`.

mod args;
mod candidate;
mod client;
mod exit;
mod grid;
mod logging;
mod out;
mod progress;
mod screen;
mod show;
mod status;
mod summary;
mod tables;
mod ticker;
mod units;
mod verbs;

use std::process::ExitCode;

use clap::Parser as _;

/// Batches and prefetched messages are allocated on one thread and freed on another, which leaves the
/// system's allocator with ever more memory that it holds and nobody uses.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Threads for what blocks, which is mostly files of a local lake.
const BLOCKING_THREADS_MAX: usize = 16;

fn main() -> ExitCode {
    let args = args::Args::parse();
    if let Err(error) = logging::start(args.log_format) {
        return exit::report(&error.into());
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return exit::report(&anyhow::Error::new(error).context("cannot start the I/O threads"));
        }
    };
    let result = runtime.block_on(async {
        match args.verb {
            args::Verb::Run(run) => verbs::run::run(run).await,
            args::Verb::Validate(validate) => verbs::validate::validate(&validate),
            args::Verb::Schema { verb } => verbs::schema::schema(verb),
            args::Verb::Status(status) => verbs::status::status(status).await,
            args::Verb::Top(top) => verbs::top::top(top).await,
            args::Verb::Tap(tap) => verbs::tap::tap(tap).await,
            args::Verb::Plugin { verb } => verbs::plugin::plugin(verb).await,
            args::Verb::Pause(pause) => verbs::pause::pause(pause).await,
            args::Verb::Resume(resume) => verbs::pause::resume(resume).await,
            args::Verb::Tables { verb } => verbs::tables::tables(verb).await,
            args::Verb::DeadLetters { verb } => verbs::dead_letters::dead_letters(verb).await,
            args::Verb::ExplainRow(explain) => verbs::explain::explain(explain).await,
            args::Verb::Replay(replay) => verbs::replay::replay(replay).await,
            args::Verb::Log { verb } => verbs::log::log(verb).await,
            args::Verb::Backup(backup) => verbs::backup::backup(backup).await,
            args::Verb::Restore(restore) => verbs::restore::restore(restore).await,
            args::Verb::Adopt(adopt) => verbs::adopt::adopt(adopt).await,
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}
