//! What a plugin costs outside its rows: compiling it, finding it compiled, starting an instance, and putting a
//! warm instance in the place of another. Medians of the wall time; `sandbox NAME…` measures other guests.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use millstream_benches::messages;
use millstream_engine::{Engine, EngineSettings, Grants, InputSpec, Limits, StepInstance};
use millstream_pipeline::decode::Decoder;
use serde_json::json;

/// Compilations of a plugin, each by a new engine.
const COMPILATIONS: usize = 5;
/// Repetitions of what takes milliseconds or less.
const REPETITIONS: usize = 101;

fn main() -> anyhow::Result<()> {
    // Cargo adds `--bench`.
    let mut guests: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if guests.is_empty() {
        guests = vec!["adjust".to_owned(), "cleanse-vehicle".to_owned()];
    }
    println!(
        "{:<18} {:>9} {:>9} {:>10} {:>12} {:>11}",
        "plugin", "bytes", "compile", "from cache", "instantiate", "swap"
    );
    for guest in &guests {
        measure(guest)?;
    }
    Ok(())
}

fn measure(guest: &str) -> anyhow::Result<()> {
    let bytes = std::fs::read(millstream_guests::wasm(guest)).context("the guest's file")?;
    let compile = median(COMPILATIONS, || {
        let engine = Engine::new(EngineSettings::default())?;
        timed(|| engine.load_bytes(guest, &bytes))
    })?;
    let folder = std::env::temp_dir().join(format!("millstream-sandbox-{}", std::process::id()));
    let engine =
        Engine::new(EngineSettings { cache_dir: Some(folder.clone()), ..EngineSettings::default() })?;
    engine.load_bytes(guest, &bytes)?;
    let cached = median(REPETITIONS, || timed(|| engine.load_bytes(guest, &bytes)))?;
    std::fs::remove_dir_all(&folder)?;
    let mut decoder = Decoder::new(messages::schema())?;
    let rows = decoder.decode(&messages::batches(1)[0]).rows;
    let config = if guest.starts_with("cleanse") { json!({ "zone": "Europe/London" }) } else { json!({}) };
    let input = InputSpec::new("vehicle", rows.schema());
    let step = engine.load_bytes(guest, &bytes)?.configure(
        &config,
        &input,
        Limits::default(),
        &Grants::default(),
    )?;
    let instantiate = median(REPETITIONS, || {
        let mut instance = step.instance();
        timed(|| instance.warm().map_err(anyhow::Error::msg))
    })?;
    let mut live = warm(&step)?;
    let swap = median(REPETITIONS, || {
        let next = warm(&step)?;
        let swapped = timed(|| Ok::<_, anyhow::Error>(std::mem::replace(&mut live, next)))?;
        anyhow::ensure!(live.process(&rows).passed.num_rows() > 0, "the new instance works");
        Ok(swapped)
    })?;
    let [compile, cached, instantiate, swap] =
        [compile, cached, instantiate, swap].map(|time| format!("{time:.1?}"));
    println!("{guest:<18} {:>9} {compile:>9} {cached:>10} {instantiate:>12} {swap:>11}", bytes.len());
    Ok(())
}

fn warm(step: &millstream_engine::Step) -> anyhow::Result<StepInstance> {
    let mut instance = step.instance();
    instance.warm().map_err(anyhow::Error::msg)?;
    Ok(instance)
}

/// How long `run` takes; what it made is dropped behind the clock.
fn timed<T, E: Into<anyhow::Error>>(run: impl FnOnce() -> Result<T, E>) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let made = run();
    let took = began.elapsed();
    made.map(|_| took).map_err(Into::into)
}

fn median(times: usize, mut run: impl FnMut() -> anyhow::Result<Duration>) -> anyhow::Result<Duration> {
    let mut taken = (0..times).map(|_| run()).collect::<anyhow::Result<Vec<_>>>()?;
    taken.sort();
    Ok(taken[times / 2])
}
