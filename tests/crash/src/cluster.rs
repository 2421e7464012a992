//! What the workers work with: the broker, the S3 server, the proxy in front of it, and the library that moves
//! clocks. It outlives the lakes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use millstream_tests::{Command, Kafka, S3};

use crate::faulty_s3::FaultyS3;

/// The source of the library that moves clocks.
const CLOCK: &str = include_str!("clock.c");

/// Servers and tools, gone when it is dropped.
pub(crate) struct Cluster {
    /// The broker.
    pub(crate) kafka: Arc<Kafka>,
    /// The S3 server.
    pub(crate) server: Arc<S3>,
    /// What the workers take for the S3 server.
    pub(crate) proxy: FaultyS3,
    /// The library to be preloaded into the workers.
    pub(crate) clock: PathBuf,
    folder: tempfile::TempDir,
}

impl Cluster {
    /// Starts everything in a folder of its own.
    pub(crate) fn start() -> anyhow::Result<Self> {
        // Builds what is not up to date, before anything waits for it.
        Command::millstream(["--version"]).succeed();
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let server = Arc::new(S3::start(&folder.path().join("s3")));
        let proxy = FaultyS3::start(&server.endpoint)?;
        let kafka = Arc::new(Kafka::start(&folder.path().join("kafka")));
        let clock = compile_clock(folder.path())?;
        Ok(Self { kafka, server, proxy, clock, folder })
    }

    /// A path in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// True if the S3 server creates objects whole or not at all, even if it is killed meanwhile. Where the file
    /// system takes no attributes it keeps metadata beside its files, and writes them first: an object of which
    /// there is only that can neither be read nor created.
    pub(crate) fn server_may_crash(&self) -> bool {
        !self.path("s3/metadata").exists()
    }

    /// Where the S3 server keeps an object of its bucket, which is a file with the object's bytes.
    pub(crate) fn object(&self, key: &str) -> PathBuf {
        self.path("s3/buckets/lake").join(key)
    }
}

fn compile_clock(folder: &Path) -> anyhow::Result<PathBuf> {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    std::fs::write(&source, CLOCK)?;
    let mut compiler = std::process::Command::new("cc");
    compiler.args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
    let status = compiler.arg("-ldl").status().context("a C compiler is needed (Debian: gcc)")?;
    ensure!(status.success(), "the library that moves clocks does not compile");
    Ok(library)
}
