//! Does to processes what the plan says, one kind a file, and says what mends it and when.

mod broker;
mod clock;
mod disk;
mod kill;
mod server;
mod suspend;

use std::thread::JoinHandle;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::plan::Fault;
use crate::worker::Worker;

/// Those whom faults strike.
pub(crate) struct Scene<'a> {
    /// Servers.
    pub(crate) cluster: &'a Cluster,
    /// Workers of the lake.
    pub(crate) workers: &'a mut [Worker],
    /// Starts of servers that are under way.
    pub(crate) starting: &'a mut Vec<JoinHandle<()>>,
}

/// What mends a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heal {
    /// The worker goes on.
    Continue(usize),
    /// The worker's disk has room again.
    FreeDisk(usize),
    /// The S3 server is started.
    StartServer,
}

/// What became of a fault.
pub(crate) enum Struck {
    /// The worker is down, or not far enough.
    NotYet,
    /// It cannot be had on this machine.
    Never,
    /// It struck, and mends itself or need not be mended.
    Once,
    /// It struck, and is to be mended after a while.
    Until(Duration, Heal),
}

/// Lets a fault strike.
pub(crate) fn strike(fault: Fault, scene: &mut Scene<'_>) -> Struck {
    match fault {
        Fault::Kill { worker, down_ms } => kill::kill(&mut scene.workers[worker], down_ms),
        Fault::Terminate { worker, down_ms } => kill::terminate(&mut scene.workers[worker], down_ms),
        Fault::Suspend { worker, lasts_ms } => suspend::suspend(worker, &scene.workers[worker], lasts_ms),
        Fault::Broker => broker::restart(scene),
        Fault::Server { down_ms } => server::kill(scene, down_ms),
        Fault::DiskFull { worker, bytes, lasts_ms } => {
            disk::fill(worker, &scene.workers[worker], bytes, lasts_ms)
        }
        Fault::Clock { worker, offset_ms } => clock::set(&scene.workers[worker], offset_ms),
    }
}

/// Mends a fault. A worker that has ended meanwhile has nothing to be mended.
pub(crate) fn heal(heal: Heal, scene: &mut Scene<'_>) {
    match heal {
        Heal::Continue(worker) => suspend::resume(&scene.workers[worker]),
        Heal::FreeDisk(worker) => disk::free(&scene.workers[worker]),
        Heal::StartServer => server::start(scene),
    }
}
