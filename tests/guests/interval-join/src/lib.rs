//! Pairs of rows of inputs a and b with equal keys, at most a distance of event time apart; each pair
//! leaves once, with the row that came second, through output `pairs`. Every side has a store whose
//! entries hold the rows of one key and one bucket of time; a timer deletes a bucket on both
//! sides once it cannot match any more. The configuration is the distance in microseconds.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use exports::millstream::plugin::{plugin, timed};
use millstream::plugin::batches::{self, Batch, Builder};
use millstream::plugin::types::{Bytes, DataType, Error, Field, Int64s, TimeUnit, TimestampType};
use millstream::plugin::{clock, state::Store, timers};

#[path = "../../dedupe/src/packed.rs"]
mod packed;

wit_bindgen::generate!({ path: "../../../wit", world: "keyed-transform" });

struct IntervalJoin;
export!(IntervalJoin);

thread_local! { static DISTANCE_MICROS: Cell<i64> = const { Cell::new(1) }; }

const STORES: [&str; 2] = ["a", "b"];

/// (event time, amount) of the rows of each bucket.
type Buckets = BTreeMap<Vec<u8>, Vec<(i64, i64)>>;

fn field(name: &str, ty: DataType) -> Field {
    Field { name: name.into(), ty, nullable: false }
}

impl plugin::Guest for IntervalJoin {
    fn describe() -> plugin::About {
        plugin::About {
            name: "interval-join".into(),
            version: "0.1.0".into(),
            config_schema: None,
            example_config: "60000000".into(),
        }
    }

    fn configure(config: String, _: Vec<plugin::Input>) -> Result<plugin::Plan, Vec<plugin::ConfigProblem>> {
        let distance = config.parse().ok().filter(|distance| *distance > 0).ok_or_else(|| {
            vec![plugin::ConfigProblem { path: String::new(), message: "expected microseconds".into() }]
        })?;
        DISTANCE_MICROS.set(distance);
        let instant = DataType::Timestamp(TimestampType { unit: TimeUnit::Micro, utc: true });
        let input = || plugin::InputPlan {
            reads: vec![
                field("key", DataType::Utf8),
                field("_event_time", instant.clone()),
                field("amount", DataType::Int64),
            ],
            writes: vec![],
            drops: vec![],
            key: Some(vec!["key".into()]),
            row_preserving: false,
        };
        let fields = vec![
            field("key", DataType::Utf8),
            field("a_amount", DataType::Int64),
            field("b_amount", DataType::Int64),
        ];
        let store = |name: &str| plugin::Store { name: name.into(), version: 1, ttl_seconds: None };
        Ok(plugin::Plan {
            inputs: vec![input(), input()],
            outputs: vec![plugin::Output { name: "pairs".into(), fields }],
            stores: STORES.map(store).to_vec(),
            tables: vec![],
            hints: vec![],
        })
    }

    fn process(input: u32, batch: &Batch) -> Result<(), Error> {
        let (keys, times, amounts) = (batch.read_bytes(0), batch.read_int64(1), batch.read_int64(2));
        if amounts.values.contains(&i64::MIN) {
            return Err(Error::BadBatch("poisoned row".into()));
        }
        let watermark = clock::watermark_micros().unwrap_or(i64::MIN);
        let (on_time, late): (Vec<u32>, Vec<u32>) =
            (0..batch.rows()).partition(|row| times.values[*row as usize] >= watermark);
        let rows: Vec<Row> = on_time
            .iter()
            .map(|&row| Row {
                number: row,
                key: packed::item(&keys, row as usize).unwrap_or_default(),
                time: times.values[row as usize],
                amount: amounts.values[row as usize],
            })
            .collect();
        remember(input as usize, &rows);
        emit(input, batch, &matches(1 - input as usize, &rows));
        batch.keep(&packed::mask(times.values.iter().map(|_| false)));
        if !late.is_empty() {
            batch.reject(&late, "late");
        }
        Ok(())
    }
}

struct Row<'a> {
    number: u32,
    key: &'a [u8],
    time: i64,
    amount: i64,
}

/// Two rows of one key that may match lie in the same bucket or in neighbours.
fn bucket(time: i64) -> i64 {
    time.div_euclid(DISTANCE_MICROS.get())
}

fn bucket_key(key: &[u8], bucket: i64) -> Vec<u8> {
    [&bucket.to_be_bytes(), key].concat()
}

fn load(store: &Store, keys: BTreeSet<Vec<u8>>) -> Buckets {
    let values = store.get_many(&packed::pack(&keys));
    let rows = |index| {
        let words = packed::integers(packed::item(&values, index).unwrap_or_default());
        words.chunks_exact(2).map(|row| (row[0], row[1])).collect()
    };
    keys.into_iter().enumerate().map(|(index, key)| (key, rows(index))).collect()
}

fn remember(side: usize, rows: &[Row]) {
    let store = Store::new(STORES[side]);
    let mut buckets = load(&store, rows.iter().map(|row| bucket_key(row.key, bucket(row.time))).collect());
    for row in rows {
        buckets.entry(bucket_key(row.key, bucket(row.time))).or_default().push((row.time, row.amount));
    }
    let values = buckets.values().map(|rows| packed::value(rows.iter().flat_map(|row| [row.0, row.1])));
    store.put_many(&packed::pack(buckets.keys()), &packed::pack(values));
    // The last row of bucket n lies below (n + 1) distances, what it matches below (n + 2).
    let expiries: Vec<i64> =
        rows.iter().map(|row| (bucket(row.time) + 2).saturating_mul(DISTANCE_MICROS.get())).collect();
    let keys = rows.iter().map(|row| bucket_key(row.key, bucket(row.time)));
    timers::set_many(&packed::pack(keys), &expiries);
}

/// (row number, its amount, the other side's amount) of each pair.
fn matches(other_side: usize, rows: &[Row]) -> Vec<(u32, i64, i64)> {
    let around = |row: &Row| [-1, 0, 1].map(|step| bucket_key(row.key, bucket(row.time) + step));
    let others = load(&Store::new(STORES[other_side]), rows.iter().flat_map(around).collect());
    let mut pairs = Vec::new();
    // Last row first, to show that the order of emission across parents does not matter.
    for row in rows.iter().rev() {
        for (time, amount) in around(row).iter().flat_map(|key| &others[key]) {
            if time.abs_diff(row.time) <= DISTANCE_MICROS.get().unsigned_abs() {
                pairs.push((row.number, row.amount, *amount));
            }
        }
    }
    pairs
}

fn emit(input: u32, batch: &Batch, pairs: &[(u32, i64, i64)]) {
    let rows = Builder::new(0, pairs.len() as u32);
    rows.gather(batch, &pairs.iter().map(|pair| pair.0).collect::<Vec<_>>());
    let column = |values: Vec<i64>| Int64s { values, valid: None };
    rows.write_int64(1 + input, &column(pairs.iter().map(|pair| pair.1).collect()));
    rows.write_int64(2 - input, &column(pairs.iter().map(|pair| pair.2).collect()));
    batches::emit(rows);
}

impl timed::Guest for IntervalJoin {
    fn fire(keys: Bytes, micros: Vec<i64>) -> Result<(), Error> {
        let none = packed::pack_unless_empty(micros.iter().map(|_| vec![]));
        for store in STORES {
            Store::new(store).put_many(&keys, &none);
        }
        Ok(())
    }
}
