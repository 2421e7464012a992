//! Entries made at random, of texts that are hard to write.

use std::collections::BTreeMap;

use millstream_model::entry::*;
use millstream_model::{Digest, OffsetRange, TopicPartition};
use rand::Rng;
use rand::rngs::StdRng;

use super::data;

fn any_text(rng: &mut StdRng) -> String {
    let alphabet = ['a', '/', '-', '"', '\\', '\n', '\u{0}', 'é', '\u{2028}', '😀', ' ', '='];
    (0..rng.random_range(0..12)).map(|_| alphabet[rng.random_range(0..alphabet.len())]).collect()
}

fn any_partition(rng: &mut StdRng) -> TopicPartition {
    TopicPartition::new(any_text(rng), rng.random_range(0..i32::MAX))
}

fn any_digest(rng: &mut StdRng) -> Digest {
    Digest::of(&rng.random::<u64>().to_le_bytes())
}

fn any_range(rng: &mut StdRng) -> OffsetRange {
    let start = rng.random_range(0..i64::MAX / 2);
    OffsetRange::new(start, start + rng.random_range(0..i64::MAX / 2))
}

fn any_file(rng: &mut StdRng) -> DataFile {
    DataFile {
        table: any_text(rng),
        path: any_text(rng),
        session: SessionId(any_text(rng)),
        origin: rng.random_bool(0.5).then(|| any_partition(rng)),
        offsets: (0..rng.random_range(0..3)).map(|_| (any_partition(rng), any_range(rng))).collect(),
        epoch: rng.random_range(0..3),
        partition_values: (0..rng.random_range(0..3))
            .map(|_| (any_text(rng), rng.random_bool(0.5).then(|| any_text(rng))))
            .collect(),
        rows: rng.random(),
        bytes: rng.random(),
    }
}

pub fn any_entry(rng: &mut StdRng) -> Entry {
    let body = match rng.random_range(0..3) {
        0 => Body::Data(any_data(rng)),
        1 => Body::Replace(Replace {
            table: any_text(rng),
            removed: (0..rng.random_range(0..4)).map(|_| any_text(rng)).collect(),
            added: (0..rng.random_range(0..4)).map(|_| any_file(rng)).collect(),
        }),
        _ => Body::Control(any_control(rng)),
    };
    Entry {
        format: FORMAT,
        sequence: rng.random(),
        previous: rng.random_bool(0.5).then(|| any_digest(rng)),
        session: SessionId(any_text(rng)),
        nonce: rng.random(),
        written_at_us: rng.random(),
        body,
    }
}

fn any_data(rng: &mut StdRng) -> Data {
    let mut data = data();
    data.source = any_text(rng);
    data.ranges = (0..rng.random_range(0..4))
        .map(|_| ConsumedRange {
            partition: any_partition(rng),
            range: any_range(rng),
            cursor: rng.random_bool(0.5).then(|| rng.random()),
            skipped: rng.random_bool(0.5).then(|| any_text(rng)),
        })
        .collect();
    data.files = (0..rng.random_range(0..4)).map(|_| any_file(rng)).collect();
    data.watermarks =
        vec![Watermark { partition: any_partition(rng), micros: rng.random(), idle: rng.random() }];
    let drift = (0..rng.random_range(0..3)).map(|_| (any_text(rng), rng.random())).collect();
    let (late, ahead) = (rng.random_range(0..2), rng.random_range(0..2));
    let counters = Counters { r#in: rng.random(), drift, late, ahead, ..Counters::default() };
    data.counters = BTreeMap::from([(any_text(rng), counters)]);
    data
}

fn any_control(rng: &mut StdRng) -> Control {
    match rng.random_range(0..8) {
        0 => Control::SessionClosed { session: SessionId(any_text(rng)) },
        1 => Control::Retention { boundary: rng.random() },
        2 => Control::Configured { config: any_digest(rng) },
        3 => Control::SourceBound { source: any_text(rng), topics: BTreeMap::new() },
        4 => Control::Paused {
            stream: any_text(rng),
            reason: any_text(rng),
            step: rng.random_bool(0.5).then(|| any_text(rng)),
        },
        5 => Control::Resumed { stream: any_text(rng) },
        _ => Control::Plugins {
            desired: (0..rng.random_range(0..4)).map(|_| any_use(rng)).collect(),
            change: rng.random_bool(0.8).then(|| any_change(rng)),
        },
    }
}

fn any_use(rng: &mut StdRng) -> PluginUse {
    let (stream, step) = (any_text(rng), any_text(rng));
    PluginUse { stream, step, plugin: any_digest(rng), config: any_digest(rng) }
}

fn any_change(rng: &mut StdRng) -> PluginChange {
    let causes = [
        ChangeCause::Started,
        ChangeCause::DroppedIn,
        ChangeCause::Configured,
        ChangeCause::Promoted,
        ChangeCause::RolledBack,
        ChangeCause::CircuitOpened,
    ];
    let cause = causes[rng.random_range(0..causes.len())];
    let topics = (0..rng.random_range(0..3)).map(|_| (any_text(rng), any_text(rng))).collect();
    let named = |rng: &mut StdRng| PluginName { name: any_text(rng), version: any_text(rng) };
    let names = (0..rng.random_range(0..3)).map(|_| (any_digest(rng), named(rng))).collect();
    let parent = rng.random_bool(0.5).then(|| rng.random());
    PluginChange { cause, parent, topics, names }
}
