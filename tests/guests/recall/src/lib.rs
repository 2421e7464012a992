//! What the contract says about state, timers and lookup tables and no useful operator shows: its configuration
//! names one thing to do, and rows that find it otherwise are rejected, or rows are emitted that tell it.

use std::cell::{Cell, RefCell};

use exports::millstream::plugin::{plugin, timed};
use millstream::plugin::batches::{self, Batch, Builder};
use millstream::plugin::lookup::Table;
use millstream::plugin::types::{Bytes, DataType, Error, Field};
use millstream::plugin::{state::Store, timers};

#[path = "../../dedupe/src/packed.rs"]
mod packed;

wit_bindgen::generate!({ path: "../../../wit", world: "keyed-transform" });

struct Recall;
export!(Recall);

thread_local! {
    static MODE: RefCell<String> = const { RefCell::new(String::new()) };
    /// What mode `forgets` counts in: memory that no plugin may rely on.
    static ROWS: Cell<i64> = const { Cell::new(0) };
}

fn is(mode: &str) -> bool {
    MODE.with_borrow(|own| own == mode)
}

fn field(name: &str, ty: DataType, nullable: bool) -> Field {
    Field { name: name.into(), ty, nullable }
}

impl plugin::Guest for Recall {
    fn describe() -> plugin::About {
        plugin::About {
            name: "recall".into(),
            version: "0.1.0".into(),
            config_schema: None,
            example_config: "\"own-puts\"".into(),
        }
    }

    fn configure(config: String, _: Vec<plugin::Input>) -> Result<plugin::Plan, Vec<plugin::ConfigProblem>> {
        MODE.set(config.trim_matches('"').to_owned());
        let writes = match config.trim_matches('"') {
            "get" => vec![field("found", DataType::Utf8, true)],
            "join" => vec![field("owner", DataType::Utf8, true), field("wheels", DataType::Int32, true)],
            _ => vec![],
        };
        let tables = match writes.is_empty() {
            true => vec![],
            false => {
                vec![plugin::TableUse { name: "cars".into(), columns: vec!["owner".into(), "wheels".into()] }]
            }
        };
        let input = plugin::InputPlan {
            reads: vec![field("key", DataType::Utf8, false), field("n", DataType::Int64, false)],
            writes,
            drops: vec![],
            key: (!is("no-key")).then(|| vec!["key".into()]),
            row_preserving: false,
        };
        let told = plugin::Output { name: "told".into(), fields: vec![field("key", DataType::Utf8, false)] };
        Ok(plugin::Plan {
            inputs: vec![input],
            outputs: vec![told],
            stores: vec![plugin::Store { name: "seen".into(), version: 1, ttl_seconds: None }],
            tables,
            hints: vec![],
        })
    }

    fn process(_: u32, batch: &Batch) -> Result<(), Error> {
        let (keys, numbers) = (batch.read_bytes(0), batch.read_int64(1));
        let failed = MODE.with_borrow(|mode| match mode.as_str() {
            "own-puts" => own_puts(&keys),
            "counts" => counts(&keys, &numbers.values),
            "get" => get(batch, &keys),
            "join" => join(batch),
            "forgets" => forgets(&keys),
            _ => {
                timers::set_many(&keys, &numbers.values);
                vec![]
            }
        });
        if !failed.is_empty() {
            batch.reject(&failed, "found otherwise");
        }
        Ok(())
    }
}

/// A get sees the puts and deletions of its own call; the last of equal keys wins.
fn own_puts(keys: &Bytes) -> Vec<u32> {
    let store = Store::new("seen");
    let key = |text: &str| packed::pack([text]);
    let value = |text: &str| packed::item(&store.get_many(&key(text)), 0).map(<[u8]>::to_vec);
    store.put_many(&packed::pack(["x", "y", "x"]), &packed::pack(["1", "2", "3"]));
    let puts = (value("x"), value("y"), value("z")) == (Some(b"3".to_vec()), Some(b"2".to_vec()), None);
    store.put_many(&key("x"), &packed::pack_unless_empty([vec![]]));
    let deleted = value("x").is_none();
    store.put_many(&key("x"), &packed::pack([""]));
    let empty = value("x") == Some(vec![]);
    let rows = keys.offsets.len() as u32 - 1;
    if puts && deleted && empty { vec![] } else { (0..rows).collect() }
}

/// Counts the rows of each key, traps on a negative number, and rejects rows that are not the n-th.
fn counts(keys: &Bytes, numbers: &[i64]) -> Vec<u32> {
    let store = Store::new("seen");
    let mut failed = vec![];
    for (row, number) in numbers.iter().enumerate() {
        let key = packed::pack([packed::item(keys, row).unwrap_or_default()]);
        let count = 1 + packed::item(&store.get_many(&key), 0).map_or(0, |count| packed::integers(count)[0]);
        store.put_many(&key, &packed::pack([packed::value([count])]));
        assert!(*number >= 0, "poisoned row");
        if count != *number {
            failed.push(row as u32);
        }
    }
    failed
}

/// Keeps the number of each key's last row, and counts rows in its own memory.
fn forgets(keys: &Bytes) -> Vec<u32> {
    for row in 0..keys.offsets.len() - 1 {
        ROWS.set(ROWS.get() + 1);
        let key = packed::pack([packed::item(keys, row).unwrap_or_default()]);
        Store::new("seen").put_many(&key, &packed::pack([packed::value([ROWS.get()])]));
    }
    vec![]
}

fn get(batch: &Batch, keys: &Bytes) -> Vec<u32> {
    batch.write_bytes(0, &Table::new("cars").get_many(keys));
    vec![]
}

/// Rows without a car are rejected.
fn join(batch: &Batch) -> Vec<u32> {
    let found = Table::new("cars").join(batch, 0);
    (0..batch.rows()).filter(|row| found[*row as usize / 8] >> (row % 8) & 1 == 0).collect()
}

impl timed::Guest for Recall {
    fn fire(keys: Bytes, micros: Vec<i64>) -> Result<(), Error> {
        let rows = micros.len();
        let key = |row: usize| packed::item(&keys, row).unwrap_or_default();
        assert!((0..rows).all(|row| key(row) != b"trap"), "poisoned timer");
        if is("cancel") {
            // Those of this very move among them.
            let all = ["a", "b", "c"].iter().flat_map(|key| (0..10).map(move |time| (*key, time)));
            let (keys, times): (Vec<&str>, Vec<i64>) = all.unzip();
            timers::cancel_many(&packed::pack(keys), &times);
        }
        if is("again") {
            timers::set_many(&keys, &micros);
        }
        // Two rows of each timer, the last timer's first; in one mode, against the contract, only of a call's first.
        let told = if is("one-a-call") { 1 } else { rows };
        let fired: Vec<u32> = (0..told as u32).rev().flat_map(|row| [row, row]).collect();
        let builder = Builder::new(0, fired.len() as u32);
        timers::attribute(&builder, &fired);
        builder.write_bytes(0, &packed::pack(fired.iter().map(|row| key(*row as usize))));
        batches::emit(builder);
        Ok(())
    }
}
