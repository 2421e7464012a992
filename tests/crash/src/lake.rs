//! One lake with its topic and its configuration, as the workers and as the readers reach it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use millstream_tests::{Command, S3, Workspace};
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;

use crate::cluster::Cluster;
use crate::plan::{Shape, Store};

/// Partitions of the topic.
pub(crate) const PARTITIONS: u32 = 6;
/// What a worker waits for an answer of the store.
const STORE_PATIENCE: &str = "2s";

/// A lake over a topic of its own.
pub(crate) struct Lake {
    workspace: Workspace,
    /// The topic.
    pub(crate) topic: String,
    /// The lake's root, not by way of the proxy.
    pub(crate) store: Arc<dyn ObjectStore>,
    url: String,
    /// Environment that reaches the server itself.
    direct: Vec<(&'static str, String)>,
    /// The proxy's address.
    proxy: String,
}

impl Lake {
    /// A new lake, number `number` of the suite, and a new topic.
    pub(crate) fn new(cluster: &Cluster, number: u64, store: Store, shape: Shape) -> anyhow::Result<Self> {
        let topic = format!("vehicle_{number}");
        cluster.kafka.topic(&topic, PARTITIONS);
        let workspace = Workspace::kafka(&cluster.kafka.brokers);
        configure(&workspace, &topic, shape);
        let (url, store) = match store {
            Store::S3 => (format!("s3://lake/{topic}"), bucket(&cluster.server, &topic)?),
            Store::Folder => {
                let folder = workspace.path("lake");
                std::fs::create_dir(&folder).context("no folder for the lake")?;
                let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(&folder)?);
                (folder.to_string_lossy().into_owned(), store)
            }
        };
        let environment = cluster.server.environment().into_iter();
        let direct = environment.map(|(name, value)| (name, value.to_owned())).collect();
        Ok(Self { workspace, topic, store, url, direct, proxy: cluster.proxy.endpoint.clone() })
    }

    /// `millstream ARGS…`, reaching the store by way of the proxy or directly.
    pub(crate) fn millstream(&self, args: &[&str], by_proxy: bool) -> Command {
        let command = self.workspace.millstream(args).env("MILLSTREAM_LAKE__URL", &self.url);
        let command = self.direct.iter().fold(command, |command, (name, value)| command.env(name, value));
        if !by_proxy {
            return command;
        }
        command.env("AWS_ENDPOINT_URL", &self.proxy).env("AWS_TIMEOUT", STORE_PATIENCE)
    }

    /// The live files of a table, as `millstream tables files` lists them, as paths on this machine. A table
    /// that does not exist yet has none.
    pub(crate) fn files(&self, cluster: &Cluster, table: &str) -> Vec<PathBuf> {
        let output = self.millstream(&["tables", "files", table], false).run();
        if output.code != Some(0) {
            return Vec::new();
        }
        let local = |line: &str| match line.strip_prefix("s3://lake/") {
            Some(key) => cluster.object(key),
            None => PathBuf::from(line),
        };
        output.stdout.lines().map(local).collect()
    }

    /// Folder of the lake's objects on this machine.
    pub(crate) fn folder(&self, cluster: &Cluster) -> PathBuf {
        match self.url.strip_prefix("s3://lake/") {
            Some(prefix) => cluster.object(prefix),
            None => PathBuf::from(&self.url),
        }
    }
}

/// Small batches and short intervals, so that a fault meets every stage of the way.
fn configure(workspace: &Workspace, topic: &str, shape: Shape) {
    workspace.configure("topic = \"vehicle_data\"", &format!("topic = \"{topic}\""));
    workspace.configure("threads = 2", "threads = 2\nbatch_rows = 64");
    workspace.configure("interval = \"200ms\"", "interval = \"100ms\"");
    let timeout = shape.session_timeout_ms;
    let group = format!(
        "group = \"{topic}\"\nproperties = {{ \"session.timeout.ms\" = {timeout}, \"heartbeat.interval.ms\" = 300 }}\nbrokers ="
    );
    workspace.configure("brokers =", &group);
    workspace.configure("[worker]", "[plugins]\ncache_dir = \"compiled\"\n\n[worker]");
}

fn bucket(server: &S3, prefix: &str) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let (access_key, secret_key) = S3::KEYS;
    let builder = AmazonS3Builder::new().with_endpoint(&server.endpoint).with_allow_http(true);
    let builder = builder.with_region("us-east-1").with_bucket_name("lake");
    let store = builder.with_access_key_id(access_key).with_secret_access_key(secret_key).build()?;
    Ok(Arc::new(PrefixStore::new(store, prefix)))
}
