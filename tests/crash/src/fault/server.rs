//! The S3 server is killed, and started again after a while with what it has on its disk.

use std::time::Duration;

use super::{Heal, Scene, Struck};

pub(super) fn kill(scene: &Scene<'_>, down_ms: u64) -> Struck {
    if !scene.cluster.server_may_crash() {
        return Struck::Never;
    }
    scene.cluster.server.kill();
    Struck::Until(Duration::from_millis(down_ms), Heal::StartServer)
}

pub(super) fn start(scene: &mut Scene<'_>) {
    let server = scene.cluster.server.clone();
    scene.starting.push(std::thread::spawn(move || server.start_again()));
}
