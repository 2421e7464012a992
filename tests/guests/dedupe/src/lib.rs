//! Keeps the first row of each key and drops the others, until the key expires: `"timers N"` lets a
//! winner shadow all rows less than N microseconds of event time away and removes it by a timer;
//! `"ttl N"` leaves expiry to the store, N seconds after the watermark of the winner's arrival.
//! Version 2 of the store keeps little-endian winners, version 1 kept one as decimal text.

use std::cell::Cell;
use std::collections::BTreeMap;

use exports::millstream::plugin::{migration, plugin, timed};
use millstream::plugin::batches::Batch;
use millstream::plugin::types::{Bytes, DataType, Error, Field, TimeUnit, TimestampType};
use millstream::plugin::{clock, state::Store, timers};

mod packed;

wit_bindgen::generate!({ path: "../../../wit", world: "keyed-transform-with-migration" });

struct Dedupe;
export!(Dedupe);

thread_local! { static EXPIRY: Cell<Expiry> = const { Cell::new(Expiry::Store { seconds: 0 }) }; }

#[derive(Clone, Copy)]
enum Expiry {
    Timers { micros: i64 },
    Store { seconds: u64 },
}

fn expiry(config: &str) -> Option<Expiry> {
    let (kind, amount) = config.trim_matches('"').split_once(' ')?;
    match kind {
        "timers" => Some(Expiry::Timers { micros: amount.parse().ok()? }),
        "ttl" => Some(Expiry::Store { seconds: amount.parse().ok()? }),
        _ => None,
    }
}

fn field(name: &str, ty: DataType) -> Field {
    Field { name: name.into(), ty, nullable: false }
}

impl plugin::Guest for Dedupe {
    fn describe() -> plugin::About {
        plugin::About {
            name: "dedupe".into(),
            version: "0.1.0".into(),
            config_schema: None,
            example_config: "\"timers 60000000\"".into(),
        }
    }

    fn configure(config: String, _: Vec<plugin::Input>) -> Result<plugin::Plan, Vec<plugin::ConfigProblem>> {
        let expiry = expiry(&config).ok_or_else(|| {
            vec![plugin::ConfigProblem { path: String::new(), message: "expected timers N or ttl N".into() }]
        })?;
        EXPIRY.set(expiry);
        let ttl_seconds = match expiry {
            Expiry::Timers { .. } => None,
            Expiry::Store { seconds } => Some(seconds),
        };
        let instant = DataType::Timestamp(TimestampType { unit: TimeUnit::Micro, utc: true });
        let input = plugin::InputPlan {
            reads: vec![
                field("key", DataType::Utf8),
                field("_event_time", instant),
                field("amount", DataType::Int64),
            ],
            writes: vec![],
            drops: vec![],
            key: Some(vec!["key".into()]),
            row_preserving: false,
        };
        Ok(plugin::Plan {
            inputs: vec![input],
            outputs: vec![],
            stores: vec![plugin::Store { name: "winners".into(), version: 2, ttl_seconds }],
            tables: vec![],
            hints: vec![],
        })
    }

    fn process(_: u32, batch: &Batch) -> Result<(), Error> {
        let (keys, times, amounts) = (batch.read_bytes(0), batch.read_int64(1), batch.read_int64(2));
        // A row that crashes the plugin, to show that it costs itself and nothing else.
        assert!(!amounts.values.contains(&i64::MIN), "poisoned row");
        let watermark = clock::watermark_micros().unwrap_or(i64::MIN);
        let store = Store::new("winners");
        let mut winners = load(&store, &keys);
        let (mut kept, mut late, mut wins) = (Vec::new(), Vec::new(), Vec::new());
        for (row, &time) in times.values.iter().enumerate() {
            let key = packed::item(&keys, row).unwrap_or_default();
            let known = winners.entry(key).or_default();
            let wins_key = time >= watermark && !known.iter().any(|winner| shadows(*winner, time));
            kept.push(wins_key);
            if time < watermark {
                late.push(row as u32);
            } else if wins_key {
                known.push(time);
                wins.push((key, time));
            }
        }
        save(&store, &winners, &wins);
        batch.keep(&packed::mask(kept));
        if !late.is_empty() {
            batch.reject(&late, "late");
        }
        Ok(())
    }
}

fn shadows(winner: i64, time: i64) -> bool {
    match EXPIRY.get() {
        Expiry::Timers { micros } => winner.abs_diff(time) < micros.unsigned_abs(),
        Expiry::Store { .. } => true,
    }
}

/// Winners of the keys that occur, each asked for once.
fn load<'a>(store: &Store, keys: &'a Bytes) -> BTreeMap<&'a [u8], Vec<i64>> {
    let rows = keys.offsets.len() - 1;
    let mut winners: BTreeMap<&[u8], Vec<i64>> =
        (0..rows).filter_map(|row| packed::item(keys, row)).map(|key| (key, vec![])).collect();
    let values = store.get_many(&packed::pack(winners.keys()));
    for (index, known) in winners.values_mut().enumerate() {
        *known = packed::integers(packed::item(&values, index).unwrap_or_default());
    }
    winners
}

fn save(store: &Store, winners: &BTreeMap<&[u8], Vec<i64>>, wins: &[(&[u8], i64)]) {
    let changed: BTreeMap<&[u8], &Vec<i64>> = wins.iter().map(|(key, _)| (*key, &winners[key])).collect();
    let values = changed.values().map(|known| packed::value(known.iter().copied()));
    store.put_many(&packed::pack(changed.keys()), &packed::pack(values));
    if let Expiry::Timers { micros } = EXPIRY.get() {
        let expiries: Vec<i64> = wins.iter().map(|(_, time)| time.saturating_add(micros)).collect();
        timers::set_many(&packed::pack(wins.iter().map(|(key, _)| key)), &expiries);
    }
}

impl timed::Guest for Dedupe {
    fn fire(keys: Bytes, micros: Vec<i64>) -> Result<(), Error> {
        let Expiry::Timers { micros: span } = EXPIRY.get() else {
            return Err(Error::Fatal("the store expires by itself".into()));
        };
        let store = Store::new("winners");
        let mut winners = load(&store, &keys);
        for (index, time) in micros.iter().enumerate() {
            let key = packed::item(&keys, index).unwrap_or_default();
            if let Some(known) = winners.get_mut(key) {
                known.retain(|winner| winner.saturating_add(span) != *time);
            }
        }
        let values = winners.values().map(|known| packed::value(known.iter().copied()));
        store.put_many(&packed::pack(winners.keys()), &packed::pack_unless_empty(values));
        Ok(())
    }
}

impl migration::Guest for Dedupe {
    fn migrate(store: String, from_version: u32, keys: Bytes, values: Bytes) -> Result<Bytes, String> {
        if (store.as_str(), from_version) != ("winners", 1) {
            return Err(format!("cannot read version {from_version} of store `{store}`"));
        }
        let rows = keys.offsets.len() - 1;
        let migrated: Result<Vec<Vec<u8>>, String> = (0..rows).map(|row| migrate_one(&values, row)).collect();
        Ok(packed::pack_unless_empty(migrated?))
    }
}

/// `-` marked a key that was seen but had no winner: version 2 has no value for it.
fn migrate_one(values: &Bytes, row: usize) -> Result<Vec<u8>, String> {
    let text = String::from_utf8_lossy(packed::item(values, row).unwrap_or_default());
    match text.as_ref() {
        "-" => Ok(vec![]),
        text => {
            text.parse().map(|winner| packed::value([winner])).map_err(|_| format!("bad winner `{text}`"))
        }
    }
}
