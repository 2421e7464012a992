//! Plugins: versions in a running process, keys and signatures.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};

use super::value::duration;
use super::{Bench, Build, Dev, Inspect, Keygen, New, Repro, RunningProcess, Sign, Test, VerifyPlugin};

#[derive(Subcommand)]
pub enum Plugin {
    /// Begin a plugin: a folder that builds, with cases that pass
    New(New),
    /// Build a plugin in its folder, with the compiler of its language
    Build(Build),
    /// Run the cases of a plugin in the engine that streams run it in, and show each row that differs
    Test(Test),
    /// Build, test, and drop in or shadow a plugin, on every save
    Dev(Dev),
    /// Show what a plugin is and asks for: world, plan, imports, grants, size, digest, signature
    Inspect(Inspect),
    /// Measure a plugin on its cases or on messages of a stream: time and bytes a row, memory, compilation
    Bench(Bench),
    /// Run the record of a dead letter through its step again, alone, and show all that happens
    Repro(Repro),
    /// List the steps of a running process, with the version each runs and what waits, and the plugins in the
    /// plugin folder
    List(List),
    /// Show a step: its version, since which offset, what that did, and the versions before
    Show(OneStep),
    /// Run a candidate beside the live version of a step, on the same rows and without effect, and say how they
    /// differ
    Shadow(Shadow),
    /// Let a candidate go on that asks for more than the running version had
    Approve(Choose),
    /// Let a step run its candidate, or a version that it ran before
    Promote(Choose),
    /// Let a step go back to the version before, or to another one that it ran
    Rollback(Rollback),
    /// Forget the candidate of a step
    Dismiss(OneStep),
    /// Make a pair of keys: one to sign plugins with, one to pin in the configuration
    Keygen(Keygen),
    /// Sign plugins: a file NAME.wasm.minisig beside each, for plugins of these names alone
    Sign(Sign),
    /// Check that a plugin is signed as the configuration, or this key, demands
    Verify(VerifyPlugin),
}

/// A process that is running, and what it takes to change it.
#[derive(Clone, ClapArgs)]
pub struct AdminProcess {
    #[command(flatten)]
    pub process: RunningProcess,
    /// File with the token of the process's admin API, instead of the configuration's [admin]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct List {
    /// Plugin folder to show besides [default: that of the configuration, if there is one]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    #[command(flatten)]
    pub admin: AdminProcess,
}

#[derive(ClapArgs)]
pub struct OneStep {
    /// The step: STREAM/STEP, or its name if no other stream has one of that name
    #[arg(long)]
    pub step: String,
    #[command(flatten)]
    pub admin: AdminProcess,
}

#[derive(ClapArgs)]
pub struct Choose {
    /// The version: its digest or the first digits of it, at least 8; the step's candidate if nothing is said
    #[arg(long)]
    pub digest: Option<String>,
    #[command(flatten)]
    pub step: OneStep,
}

#[derive(ClapArgs)]
pub struct Rollback {
    /// The version to go back to: its digest or the first digits of it, at least 8; the one before if nothing is
    /// said
    #[arg(long, value_name = "DIGEST")]
    pub to: Option<String>,
    #[command(flatten)]
    pub step: OneStep,
}

#[derive(ClapArgs)]
#[command(group = clap::ArgGroup::new("extent").required(true))]
pub struct Shadow {
    /// The candidate: a .wasm file
    #[arg(value_name = "FILE", required_unless_present = "digest", conflicts_with = "digest")]
    pub file: Option<PathBuf>,
    /// A candidate that waits or a version that the step ran before, instead of a file
    #[arg(long)]
    pub digest: Option<String>,
    /// Live rows, for this long (30s, 10m)
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, group = "extent")]
    pub time: Option<Duration>,
    /// The last so many messages of the stream, read again
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u64).range(1..), group = "extent")]
    pub last: Option<u64>,
    /// Exit code 1 if any row differs
    #[arg(long)]
    pub fail_on_difference: bool,
    #[command(flatten)]
    pub step: OneStep,
}

#[derive(ClapArgs)]
pub struct Pause {
    /// The stream
    pub stream: String,
    /// Why, for whoever wonders later
    #[arg(long)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub admin: AdminProcess,
}

#[derive(ClapArgs)]
pub struct Resume {
    /// The stream
    pub stream: String,
    #[command(flatten)]
    pub admin: AdminProcess,
}
