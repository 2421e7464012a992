//! The broker is killed and started again at once, which takes it seconds.

use super::{Scene, Struck};

pub(super) fn restart(scene: &mut Scene<'_>) -> Struck {
    let kafka = scene.cluster.kafka.clone();
    scene.starting.push(std::thread::spawn(move || {
        kafka.kill();
        kafka.start_again();
    }));
    Struck::Once
}
