//! Sessions per (region, device): rows less than a gap of event time apart belong together. A session
//! closes once no row in time can join it any more, and becomes one row of output `sessions`. The
//! configuration is the gap in microseconds. Drops its input; rejects late rows and rows without key.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use exports::millstream::plugin::{plugin, timed};
use millstream::plugin::batches::{self, Batch, Builder};
use millstream::plugin::types::{Bytes, DataType, Error, Field, Int64s, TimeUnit, TimestampType};
use millstream::plugin::{clock, state::Store, timers};

#[path = "../../dedupe/src/packed.rs"]
mod packed;
mod sessions;
use sessions::Session;

wit_bindgen::generate!({ path: "../../../wit", world: "keyed-transform" });

struct SessionWindow;
export!(SessionWindow);

thread_local! { static GAP_MICROS: Cell<i64> = const { Cell::new(0) }; }

/// A session of this sum cannot be closed: it stands for a bug that only a timer meets.
const POISONED_SUM: i64 = 13;

type Sessions = BTreeMap<Vec<u8>, Vec<Session>>;

fn field(name: &str, ty: DataType, nullable: bool) -> Field {
    Field { name: name.into(), ty, nullable }
}

impl plugin::Guest for SessionWindow {
    fn describe() -> plugin::About {
        plugin::About {
            name: "session-window".into(),
            version: "0.1.0".into(),
            config_schema: None,
            example_config: "60000000".into(),
        }
    }

    fn configure(config: String, _: Vec<plugin::Input>) -> Result<plugin::Plan, Vec<plugin::ConfigProblem>> {
        let gap = config.parse().map_err(|_| {
            vec![plugin::ConfigProblem { path: String::new(), message: "expected microseconds".into() }]
        })?;
        GAP_MICROS.set(gap);
        let instant = || DataType::Timestamp(TimestampType { unit: TimeUnit::Micro, utc: true });
        let input = plugin::InputPlan {
            reads: vec![
                field("region", DataType::Utf8, true),
                field("key", DataType::Utf8, true),
                field("_event_time", instant(), false),
                field("amount", DataType::Int64, false),
            ],
            writes: vec![],
            drops: vec![],
            key: Some(vec!["region".into(), "key".into()]),
            row_preserving: false,
        };
        let fields = vec![
            field("region", DataType::Utf8, false),
            field("key", DataType::Utf8, false),
            field("start", instant(), false),
            field("end", instant(), false),
            field("count", DataType::Int64, false),
            field("sum", DataType::Int64, false),
        ];
        Ok(plugin::Plan {
            inputs: vec![input],
            outputs: vec![plugin::Output { name: "sessions".into(), fields }],
            stores: vec![plugin::Store { name: "open".into(), version: 1, ttl_seconds: None }],
            tables: vec![],
            hints: vec![],
        })
    }

    fn process(_: u32, batch: &Batch) -> Result<(), Error> {
        let (regions, devices) = (batch.read_bytes(0), batch.read_bytes(1));
        let (times, amounts) = (batch.read_int64(2).values, batch.read_int64(3).values);
        let watermark = clock::watermark_micros().unwrap_or(i64::MIN);
        let (mut late, mut keyless, mut accepted) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..times.len() {
            match (packed::item(&regions, row), packed::item(&devices, row)) {
                (Some(region), Some(device)) if times[row] >= watermark => {
                    accepted.push((compose(region, device), times[row], amounts[row]));
                }
                (Some(_), Some(_)) => late.push(row as u32),
                _ => keyless.push(row as u32),
            }
        }
        add(accepted);
        batch.keep(&packed::mask(times.iter().map(|_| false)));
        for (rows, reason) in [(late, "late"), (keyless, "no key")] {
            if !rows.is_empty() {
                batch.reject(&rows, reason);
            }
        }
        Ok(())
    }
}

/// The length of the first part keeps ("a", "bc") and ("ab", "c") apart.
fn compose(region: &[u8], device: &[u8]) -> Vec<u8> {
    [&(region.len() as u32).to_be_bytes(), region, device].concat()
}

fn decompose(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = key.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

fn load(store: &Store, keys: impl Iterator<Item = Vec<u8>>) -> Sessions {
    let mut loaded: Sessions = keys.map(|key| (key, vec![])).collect();
    let values = store.get_many(&packed::pack(loaded.keys()));
    for (index, open) in loaded.values_mut().enumerate() {
        *open = sessions::decode(packed::item(&values, index).unwrap_or_default());
    }
    loaded
}

fn save(store: &Store, open: &Sessions) {
    let values = open.values().map(|open| sessions::encode(open));
    store.put_many(&packed::pack(open.keys()), &packed::pack_unless_empty(values));
}

fn ends(open: &Sessions) -> BTreeSet<(Vec<u8>, i64)> {
    open.iter().flat_map(|(key, open)| open.iter().map(|session| (key.clone(), session.end))).collect()
}

/// Adds the rows in their order, then sets one timer for each session end that is new.
fn add(rows: Vec<(Vec<u8>, i64, i64)>) {
    let store = Store::new("open");
    let mut open = load(&store, rows.iter().map(|(key, ..)| key.clone()));
    let before = ends(&open);
    for (key, time, amount) in rows {
        sessions::merge(open.entry(key).or_default(), Session::of(time, GAP_MICROS.get(), amount));
    }
    let after = ends(&open);
    let (gone, new): (Vec<_>, Vec<_>) =
        (before.difference(&after).collect(), after.difference(&before).collect());
    timers::cancel_many(&packed::pack(gone.iter().map(|(key, _)| key)), &times(&gone));
    timers::set_many(&packed::pack(new.iter().map(|(key, _)| key)), &times(&new));
    save(&store, &open);
}

fn times(timers: &[&(Vec<u8>, i64)]) -> Vec<i64> {
    timers.iter().map(|(_, end)| *end).collect()
}

impl timed::Guest for SessionWindow {
    fn fire(keys: Bytes, micros: Vec<i64>) -> Result<(), Error> {
        let store = Store::new("open");
        let key_of = |index| packed::item(&keys, index).unwrap_or_default().to_vec();
        let mut open = load(&store, (0..micros.len()).map(key_of));
        let mut closed = Vec::new();
        for (index, end) in micros.iter().enumerate() {
            let key = key_of(index);
            let sessions = open.entry(key.clone()).or_default();
            if let Some(position) = sessions.iter().position(|session| session.end == *end) {
                closed.push((index as u32, key, sessions.remove(position)));
            }
        }
        if closed.iter().any(|(.., session)| session.sum == POISONED_SUM) {
            return Err(Error::BadBatch("unlucky sum".into()));
        }
        save(&store, &open);
        emit(&closed);
        Ok(())
    }
}

fn emit(closed: &[(u32, Vec<u8>, Session)]) {
    let rows = Builder::new(0, closed.len() as u32);
    let parts = || closed.iter().filter_map(|(_, key, _)| decompose(key));
    let column = |pick: fn(&Session) -> i64| Int64s {
        values: closed.iter().map(|(.., session)| pick(session)).collect(),
        valid: None,
    };
    rows.write_bytes(0, &packed::pack(parts().map(|(region, _)| region)));
    rows.write_bytes(1, &packed::pack(parts().map(|(_, device)| device)));
    rows.write_int64(2, &column(|session| session.start));
    rows.write_int64(3, &column(|session| session.end));
    rows.write_int64(4, &column(|session| session.count));
    rows.write_int64(5, &column(|session| session.sum));
    timers::attribute(&rows, &closed.iter().map(|(index, ..)| *index).collect::<Vec<_>>());
    batches::emit(rows);
}
