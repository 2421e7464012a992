//! A guest that breaks the rules it is told to break: the configuration `{"mode": "…"}` picks how. Most
//! modes act on rows whose column `n` is negative, so that a test knows the guilty ones.

wit_bindgen::generate!({ path: "../../../wit", world: "transform" });

mod breach;
mod identity;
mod limits;

use std::cell::{Cell, RefCell};

use exports::millstream::plugin::plugin::{
    About, ConfigProblem, Error, Guest, Input, InputPlan, Output, Plan, Store, TableUse,
};
use limits::{
    ask_for_too_much, call_host_forever, hold_handles, recurse, run_forever, run_long, take_all_memory,
};
use millstream::plugin::batches::{Batch, Builder, emit};
use millstream::plugin::log::{Level, log};
use millstream::plugin::metrics::{Counter, Gauge};
use millstream::plugin::types::{Bytes, DataType, Field, Float64s, Int64s};

struct Misbehave;

thread_local! {
    static MODE: RefCell<String> = const { RefCell::new(String::new()) };
    static FIELDS: RefCell<Vec<Field>> = const { RefCell::new(Vec::new()) };
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

export!(Misbehave);

fn field(name: &str, ty: DataType, nullable: bool) -> Field {
    Field { name: name.to_owned(), ty, nullable }
}

fn number() -> Field {
    field("n", DataType::Int64, false)
}

fn mode_of(config: &str) -> String {
    let rest = config.split("\"mode\":\"").nth(1).unwrap_or_default();
    rest.split('"').next().unwrap_or_default().to_owned()
}

impl Guest for Misbehave {
    fn describe() -> About {
        About {
            name: "misbehave".to_owned(),
            version: "0.1.0".to_owned(),
            config_schema: None,
            example_config: r#"{"mode":"double"}"#.to_owned(),
        }
    }

    fn configure(config: String, inputs: Vec<Input>) -> Result<Plan, Vec<ConfigProblem>> {
        let mode = mode_of(&config);
        MODE.replace(mode.clone());
        let mut own = InputPlan {
            reads: vec![number()],
            writes: vec![number()],
            drops: Vec::new(),
            key: None,
            row_preserving: mode == "row-preserving",
        };
        let mut plan = Plan {
            inputs: Vec::new(),
            outputs: Vec::new(),
            stores: Vec::new(),
            tables: Vec::new(),
            hints: Vec::new(),
        };
        match mode.as_str() {
            "configure-traps" => std::process::abort(),
            "configure-loops" => run_forever(),
            "configure-memory" => take_all_memory(),
            "refuses" => {
                let problem = ConfigProblem { path: "zone".to_owned(), message: "no such zone".to_owned() };
                return Err(vec![problem]);
            }
            "identity" => {
                let fields: Vec<Field> =
                    inputs[0].fields.iter().filter(|field| !field.name.starts_with('_')).cloned().collect();
                FIELDS.replace(fields.clone());
                (own.reads, own.writes) = (fields.clone(), fields);
            }
            "add" => {
                own.reads = vec![field("a", DataType::Float64, true), field("b", DataType::Float64, true)];
                own.writes = vec![field("sum", DataType::Float64, true)];
            }
            "reads-key" => own.reads.push(field("_key", DataType::Binary, true)),
            "drops" => own.drops = vec!["a".to_owned()],
            "not-utf8" | "falling-offsets" => own.writes = vec![field("text", DataType::Utf8, true)],
            "null" => own.writes = vec![field("new", DataType::Int64, false)],
            "explode" | "no-gather" | "gather-twice" | "gather-short" | "gather-no-row"
            | "emit-wrong-number" | "emit-wrong-type" | "emit-short" => {
                plan.outputs = vec![Output { name: "s".to_owned(), fields: vec![number()] }]
            }
            "alerts" => {
                let fields =
                    vec![field("message", DataType::Utf8, false), field("a", DataType::Float64, true)];
                plan.outputs = vec![Output { name: "alerts".to_owned(), fields }];
            }
            "store" => plan.stores = vec![Store { name: "seen".to_owned(), version: 1, ttl_seconds: None }],
            "table" => plan.tables = vec![TableUse { name: "cars".to_owned(), columns: Vec::new() }],
            _ => {}
        }
        plan.inputs.push(own);
        Ok(plan)
    }

    fn process(_: u32, batch: &Batch) -> Result<(), Error> {
        let mode = MODE.with_borrow(String::clone);
        let calls = CALLS.replace(CALLS.get() + 1);
        match mode.as_str() {
            "identity" => FIELDS.with_borrow(|fields| identity::copy(batch, fields)),
            "add" => add(batch),
            _ => return on_numbers(&mode, calls, batch),
        }
        Ok(())
    }
}

fn add(batch: &Batch) {
    let (mut left, right) = (batch.read_float64(0), batch.read_float64(1));
    for (sum, value) in left.values.iter_mut().zip(&right.values) {
        *sum += value;
    }
    batch.write_float64(0, &Float64s { values: left.values, valid: None });
}

fn on_numbers(mode: &str, calls: u32, batch: &Batch) -> Result<(), Error> {
    let numbers = batch.read_int64(0).values;
    let negative: Vec<u32> = (0..numbers.len() as u32).filter(|row| numbers[*row as usize] < 0).collect();
    let rows = numbers.len();
    let write = |values: Vec<i64>| batch.write_int64(0, &Int64s { values, valid: None });
    if mode.starts_with("refused-") && !negative.is_empty() {
        ask_for_too_much();
    }
    match mode {
        "refused-panics" if !negative.is_empty() => {
            log(Level::Error, "panicked at wheels.rs:7:5:\nno such wheel");
            std::process::abort();
        }
        "refused-complains" if !negative.is_empty() => {
            return Err(Error::BadBatch("plugin.js:7: InternalError: out of memory".to_owned()));
        }
        "traps" if !negative.is_empty() => std::process::abort(),
        "loops" if !negative.is_empty() => run_forever(),
        "memory" if !negative.is_empty() => take_all_memory(),
        "bad-batch" if !negative.is_empty() => return Err(Error::BadBatch("negative".repeat(100))),
        "stack" if !negative.is_empty() => drop(recurse(1)),
        "host-calls" if !negative.is_empty() => call_host_forever(batch),
        "handles" if !negative.is_empty() => hold_handles(),
        "complains" if !negative.is_empty() => {
            log(Level::Error, "no such wheel");
            std::process::abort();
        }
        "panics" if !negative.is_empty() => panic!("no vehicle has {} wheels", numbers[negative[0] as usize]),
        "slow" => {
            run_long();
            write(numbers.iter().map(|n| n * 2).collect());
        }
        "fatal" if !negative.is_empty() => return Err(Error::Fatal("no licence".to_owned())),
        "too-much-output" if !negative.is_empty() => loop {
            batch.reject(&(0..rows as u32).collect::<Vec<_>>(), "again");
        },
        "huge-call" if !negative.is_empty() => batch.keep(&vec![0; 3 << 20]),
        "retry" => return Err(Error::Retry("try later".to_owned())),
        "retry-once" if calls == 0 => {
            write(vec![0; rows]);
            return Err(Error::Retry("not yet".to_owned()));
        }
        "refused-spares" | "double" | "traps" | "complains" | "panics" | "loops" | "memory" | "stack"
        | "host-calls" | "handles" | "bad-batch" | "fatal" | "too-much-output" | "huge-call"
        | "retry-once" => {
            let counter = Counter::new("rows");
            counter.add(rows as u64);
            Gauge::new("last").set(rows as f64);
            write(numbers.iter().map(|n| n * 2).collect());
        }
        "keep-odd" => batch.keep(&mask(&numbers, |n| n % 2 != 0)),
        "reject" | "row-preserving" => {
            batch.reject(&negative, "n is negative");
            batch.keep(&mask(&numbers, |n| n != 0));
        }
        "long-reason" => batch.reject(&negative, &"ü".repeat(1000)),
        "log-flood" => (0..100_000).for_each(|_| log(Level::Warn, "flood")),
        "chatty" => (0..1000).for_each(|_| log(Level::Warn, &"chatter ".repeat(1000))),
        "explode" => explode(batch, &numbers),
        "alerts" => alert(batch, &negative),
        "null" if negative.is_empty() => write(numbers),
        _ if negative.is_empty() => {}
        _ => breach::commit(mode, batch, &numbers),
    }
    Ok(())
}

fn mask(numbers: &[i64], keep: impl Fn(i64) -> bool) -> Vec<u8> {
    let mut mask = vec![0; numbers.len().div_ceil(8)];
    for (row, _) in numbers.iter().enumerate().filter(|(_, n)| keep(**n)) {
        mask[row / 8] |= 1 << (row % 8);
    }
    mask
}

/// Each row becomes as many as its number says, in place of itself.
fn explode(batch: &Batch, numbers: &[i64]) {
    let parents: Vec<u32> = (0..numbers.len() as u32)
        .flat_map(|row| std::iter::repeat_n(row, numbers[row as usize].max(0) as usize))
        .collect();
    let builder = Builder::new(0, parents.len() as u32);
    builder.gather(batch, &parents);
    builder.write_int64(0, &Int64s { values: (0..parents.len() as i64).collect(), valid: None });
    emit(builder);
    batch.keep(&vec![0; numbers.len().div_ceil(8)]);
}

fn alert(batch: &Batch, negative: &[u32]) {
    let builder = Builder::new(0, negative.len() as u32);
    builder.gather(batch, negative);
    let offsets = (0..=negative.len() as u32).map(|row| row * 3).collect();
    builder.write_bytes(0, &Bytes { offsets, data: b"low".repeat(negative.len()), valid: None });
    emit(builder);
}
