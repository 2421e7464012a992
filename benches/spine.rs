//! `make bench`: decode → plugin → curated Parquet from memory on one core, against the same job with
//! the transform as native Rust, in the same run; and what 0, 1, 3 and 10 steps cost. Variants run in
//! interleaved rounds, so that a machine that speeds up or slows down does so for all of them; figures
//! are medians of the thread's CPU time. Words behind `--` choose variants whose names have them all.

use std::hint::black_box;
use std::time::{Duration, Instant};

use arrow::array::TimestampMicrosecondArray;
use millstream_benches::clock::{peak_memory_bytes, thread_cpu_ns};
use millstream_benches::{messages, native, way};
use millstream_model::MessageBatch;
use millstream_pipeline::decode::Decoder;
use millstream_pipeline::watermark::{LatePolicy, PartitionWatermark, WatermarkSettings};
use serde_json::json;

/// Different batches held in memory, and batches in a round: each is passed several times.
const POOL: usize = 8;
const BATCHES: usize = 40;
const ROUNDS: usize = 9;

fn main() -> anyhow::Result<()> {
    let pool = messages::batches(POOL);
    let batches: Vec<&MessageBatch> = pool.iter().cycle().take(BATCHES).collect();
    let rows = BATCHES * messages::BATCH_ROWS;
    let bytes = pool.iter().map(MessageBatch::bytes).sum::<usize>();
    println!(
        "{rows} messages of {} bytes a round; medians of {ROUNDS} rounds, CPU time of one thread",
        bytes / (POOL * messages::BATCH_ROWS)
    );
    memory(&batches, bytes)?;
    whole_way(&batches, rows)?;
    steps(&batches[..POOL], rows * POOL / BATCHES)?;
    watermarks(BATCHES)
}

/// Passes the messages through the whole way once, before anything else has taken memory.
fn memory(batches: &[&MessageBatch], message_bytes: usize) -> anyhow::Result<()> {
    let cleanse = way::plan(&[("cleanse-vehicle", json!({ "zone": "Europe/London" }))])?;
    let loaded = peak_memory_bytes();
    let parquet = way::with_plugins(&cleanse, batches)?;
    println!(
        "peak memory of the whole way with cleanse-vehicle: {} MB, all of the process; {} MB of it the messages, \
         {} MB what was taken before the first batch",
        peak_memory_bytes() / 1_000_000,
        message_bytes / 1_000_000,
        loaded / 1_000_000,
    );
    println!("Parquet: {:.1} bytes/row", parquet as f64 / (batches.len() * messages::BATCH_ROWS) as f64);
    Ok(())
}

/// One variant: its name and what it does in a round.
type Variant<'a> = (String, Box<dyn FnMut() -> anyhow::Result<()> + 'a>);

/// Medians of the chosen variants in ns per row: CPU time and wall time.
fn measure(mut variants: Vec<Variant<'_>>, rows: usize) -> anyhow::Result<Vec<(String, f64, f64)>> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    variants.retain(|(name, _)| words.iter().all(|word| name.contains(word)));
    let mut cpu = vec![Vec::new(); variants.len()];
    let mut wall = vec![Vec::new(); variants.len()];
    for round in 0..=ROUNDS {
        for (index, (_, run)) in variants.iter_mut().enumerate() {
            let (start, at) = (thread_cpu_ns(), Instant::now());
            run()?;
            // The first round warms up.
            if round > 0 {
                cpu[index].push((thread_cpu_ns() - start) as f64 / rows as f64);
                wall[index].push(at.elapsed().as_nanos() as f64 / rows as f64);
            }
        }
    }
    let results = variants.into_iter().zip(cpu.into_iter().zip(wall));
    Ok(results.map(|((name, _), (cpu, wall))| (name, median(cpu), median(wall))).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(title: &str, results: &[(String, f64, f64)]) {
    println!("\n{title}");
    for (name, cpu, wall) in results {
        println!("  {name:<44} {cpu:>8.1} ns/row  {:>10.0} records/s  (wall {wall:.1} ns/row)", 1e9 / cpu);
    }
}

fn whole_way(batches: &[&MessageBatch], rows: usize) -> anyhow::Result<()> {
    let config = json!({ "zone": "Europe/London" });
    let cleanse = way::plan(&[("cleanse-vehicle", config.clone())])?;
    let adjust = way::plan(&[("adjust", json!({}))])?;
    let mut decoder = Decoder::new(messages::schema())?;
    let typed: cleanse_vehicle::config::Config = serde_json::from_value(config)?;
    let mut rules = typed.check().map_err(|problems| anyhow::anyhow!("{} problems", problems.len()))?;
    let cleansed = cleanse.steps[0].step.output_schema();
    let variants: Vec<Variant<'_>> = vec![
        (
            "decode alone".into(),
            Box::new(move || {
                for batch in batches {
                    black_box(decoder.decode(batch));
                }
                Ok(())
            }),
        ),
        (
            "decode, adjust as a plugin, Parquet".into(),
            Box::new(|| {
                black_box(way::with_plugins(&adjust, batches)?);
                Ok(())
            }),
        ),
        (
            "decode, adjust as native Rust, Parquet".into(),
            Box::new(|| {
                black_box(way::with_native(&adjust, batches, |rows| native::adjust(&rows))?);
                Ok(())
            }),
        ),
        (
            "decode, cleanse-vehicle as a plugin, Parquet".into(),
            Box::new(|| {
                black_box(way::with_plugins(&cleanse, batches)?);
                Ok(())
            }),
        ),
        (
            "decode, cleanse-vehicle as native Rust, Parquet".into(),
            Box::new(|| {
                black_box(way::with_native(&cleanse, batches, |rows| {
                    native::cleanse(&mut rules, &rows, cleansed.clone())
                })?);
                Ok(())
            }),
        ),
    ];
    print("the whole way", &measure(variants, rows)?);
    Ok(())
}

/// Steps alone, over rows decoded before.
fn steps(batches: &[&MessageBatch], rows: usize) -> anyhow::Result<()> {
    let mut decoder = Decoder::new(messages::schema())?;
    let decoded: Vec<_> = batches.iter().map(|batch| decoder.decode(batch).rows).collect();
    let decoded = &decoded;
    let mut variants: Vec<Variant<'_>> = Vec::new();
    for count in [0, 1, 3, 10] {
        let plan = way::plan(&vec![("adjust", json!({})); count])?;
        let mut stage = way::stage(&plan);
        variants.push((
            format!("{count} steps, as plugins"),
            Box::new(move || {
                for rows in decoded {
                    black_box(stage.run(rows.clone(), &[]).expect("there are no predicates"));
                }
                Ok(())
            }),
        ));
        variants.push((
            format!("{count} steps, as native Rust"),
            Box::new(move || {
                for rows in decoded {
                    let mut rows = rows.clone();
                    for _ in 0..count {
                        rows = native::adjust(&rows);
                    }
                    black_box(rows);
                }
                Ok(())
            }),
        ));
    }
    let results = measure(variants, rows)?;
    print("steps that read two columns and write one", &results);
    for (count, pair) in [0, 1, 3, 10].into_iter().zip(results.chunks_exact(2)).skip(1) {
        let over = (pair[0].1 - pair[1].1) / f64::from(count);
        println!("  of {count}, a step costs {over:.1} ns/row over native");
    }
    Ok(())
}

/// Which rows are late: event times that rise with some disorder, a few of them late, in batches of the usual size.
fn watermarks(batches: usize) -> anyhow::Result<()> {
    const MILLISECOND: i64 = 1000;
    let settings = WatermarkSettings {
        delay_us: 1000 * MILLISECOND,
        ahead_us_max: 1000 * MILLISECOND,
        idle: Duration::from_secs(60),
        late: LatePolicy::Flag,
    };
    let disorder = |row: i64| (row * 7919 % 1009) * MILLISECOND;
    let rows = 0..messages::BATCH_ROWS as i64;
    let event_times = rows.clone().map(|row| row * MILLISECOND - disorder(row));
    let sparse = event_times.clone().enumerate().map(|(row, time)| (row % 10 > 0).then_some(time));
    let timestamps = TimestampMicrosecondArray::from_iter_values(rows.clone().map(|row| row * MILLISECOND));
    let none: TimestampMicrosecondArray = rows.map(|_| None).collect();
    let (sparse, event_times) = (sparse.collect(), TimestampMicrosecondArray::from_iter_values(event_times));
    let variants = [
        ("event times and timestamps", &event_times, &timestamps),
        ("event times, no timestamps", &event_times, &none),
        ("nine of ten event times, timestamps", &sparse, &timestamps),
    ];
    let variants = variants.map(|(name, event_times, timestamps)| -> Variant<'_> {
        let run = move || {
            for _ in 0..batches {
                let mut watermark = PartitionWatermark::new(&settings, None);
                black_box(watermark.observe(black_box(event_times), black_box(timestamps)));
            }
            Ok(())
        };
        (format!("watermark: {name}"), Box::new(run))
    });
    print("which rows are late", &measure(variants.into(), batches * messages::BATCH_ROWS)?);
    Ok(())
}
