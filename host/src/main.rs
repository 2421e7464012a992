//! The `millstream` command. This file parses the command line and maps errors to exit codes; each
//! verb has a file of its own under `verbs/`.

mod args;
mod exit;
mod out;
mod progress;
mod show;
mod summary;
mod tables;
mod verbs;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let args = args::Args::parse();
    start_logging(args.log_format);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
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
            args::Verb::Tables { verb } => verbs::tables::tables(verb).await,
            args::Verb::DeadLetters { verb } => verbs::dead_letters::dead_letters(verb).await,
            args::Verb::Log { verb } => verbs::log::log(verb).await,
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}

/// Logs go to standard error, so that standard output holds results alone. `MILLSTREAM_LOG` sets what
/// is logged (`debug`, `millstream_pipeline=trace`); the default is `info`.
fn start_logging(format: args::LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MILLSTREAM_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    match format {
        args::LogFormat::Text => {
            builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).init();
        }
        args::LogFormat::Json => builder.json().init(),
    }
}
