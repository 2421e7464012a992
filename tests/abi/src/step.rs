//! A step: a guest run over a sequence of rows. Cuts, lost instances and failures come from a seed; what takes
//! effect must not.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use millstream_engine::{
    CircuitOpened, Engine, EngineSettings, Grants, InputSpec, KeyedInstance, KeyedStep, Limits, Tables,
    TaskState,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::flaky::Flaky;
use crate::outcome::{Outcome, Timer};
use crate::row::{self, Row};
use crate::watermark::{Moves, Watermark};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How often something happens, of a thousand opportunities each.
#[derive(Debug, Clone, Copy)]
pub struct Chance {
    /// A cut after a row or timer.
    pub cut: u32,
    /// An instance is thrown away before a call.
    pub lost: u32,
    /// One of the first uses of the state fails, and the batch or move is done again.
    pub failure: u32,
}

/// What the host does right; the proof takes either away to see that it would be noticed.
#[derive(Debug, Clone, Copy)]
pub struct Protocol {
    /// A commit that fails has no effect.
    pub whole: bool,
    /// The watermark moves where the rows say, not at the end of whatever batch was cut.
    pub moves_with_rows: bool,
}

/// A guest and its configuration, in the engine.
#[derive(Debug)]
pub struct Step {
    step: KeyedStep,
}

/// What a task came to.
pub struct Task {
    /// All that left it.
    pub outcome: Outcome,
    state: Arc<Flaky>,
}

impl Task {
    /// Every value of a store, by key.
    ///
    /// # Errors
    /// If the plan has no such store.
    pub fn state(&self, store: &str) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        Ok(self.state.entries(store)?.into_iter().collect())
    }

    /// Timers that have not fired.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn timers(&self) -> Result<BTreeSet<Timer>> {
        Ok(self.state.timers()?.into_iter().map(|timer| (timer.micros, timer.key)).collect())
    }
}

struct Run<'a> {
    step: &'a Step,
    instance: KeyedInstance,
    random: StdRng,
    chance: Chance,
    protocol: Protocol,
    state: Arc<Flaky>,
    outcome: Outcome,
}

impl Step {
    /// Loads a guest of world `keyed-transform` for so many inputs.
    ///
    /// # Errors
    /// If it is no such guest, or refuses its configuration.
    pub fn load(module: &Path, config: &str, inputs: u32) -> Result<Self> {
        let plugin = Engine::new(EngineSettings::default())?.load(module)?;
        let stores = ["winners", "open", "a", "b"].map(str::to_owned).into();
        let grants = Grants { stores, ..Grants::default() };
        let names = ["a", "b"].into_iter().take(inputs as usize);
        let inputs: Vec<InputSpec> = names.map(|name| InputSpec::new(name, row::schema())).collect();
        let config = serde_json::from_str(config)?;
        let step = plugin.configure_keyed(&config, &inputs, Limits::default(), &grants, &Tables::new())?;
        Ok(Self { step })
    }

    /// The step in the engine.
    pub fn keyed(&self) -> &KeyedStep {
        &self.step
    }

    /// Runs the guest over `rows` and returns what took effect.
    ///
    /// # Errors
    /// If the guest fails in a way that no row or timer is blamed for.
    pub fn run(
        &self,
        rows: &[Row],
        moves: Moves,
        seed: u64,
        chance: Chance,
        protocol: Protocol,
    ) -> Result<Task> {
        let mut run = Run {
            step: self,
            instance: self.step.instance(),
            random: StdRng::seed_from_u64(seed),
            chance,
            protocol,
            state: Arc::new(Flaky::new(self.step.stores(), protocol.whole)),
            outcome: Outcome::default(),
        };
        let mut watermark = Watermark::new(moves, self.step.inputs());
        let mut pending: Vec<Row> = vec![];
        for row in rows {
            if pending.last().is_some_and(|last| last.input != row.input) || run.happens(chance.cut) {
                run.flush(&mut pending, &mut watermark)?;
            }
            pending.push(row.clone());
            if !protocol.moves_with_rows {
                watermark.note(row);
            } else if let Some(moved) = watermark.after(row) {
                run.flush(&mut pending, &mut watermark)?;
                run.move_to(moved)?;
            }
        }
        run.flush(&mut pending, &mut watermark)?;
        Ok(Task { outcome: run.outcome, state: run.state })
    }
}

impl Run<'_> {
    fn happens(&mut self, of_thousand: u32) -> bool {
        self.random.random_range(0..1000) < of_thousand
    }

    fn flush(&mut self, pending: &mut Vec<Row>, watermark: &mut Watermark) -> Result<()> {
        let Some(first) = pending.first() else { return Ok(()) };
        let (input, batch) = (first.input, row::batch(pending)?);
        pending.clear();
        let output = self.done(|instance, state| instance.process(state, input as usize, &batch))?;
        self.outcome.add_rows(input, &output);
        if self.protocol.moves_with_rows {
            return Ok(());
        }
        watermark.at_once().map_or(Ok(()), |moved| self.move_to(moved))
    }

    fn move_to(&mut self, watermark: i64) -> Result<()> {
        let per_call = if self.happens(self.chance.cut) { self.random.random_range(1..4) } else { 8192 };
        self.instance.limit_timers(per_call);
        let output = self.done(|instance, state| instance.advance(state, watermark))?;
        self.outcome.add_move(watermark, output);
        Ok(())
    }

    /// Does something with the task's state; once more, if a failure was injected: nothing of it took effect.
    fn done<T>(
        &mut self,
        work: impl Fn(&mut KeyedInstance, &Arc<dyn TaskState>) -> std::result::Result<T, CircuitOpened>,
    ) -> Result<T> {
        if self.happens(self.chance.lost) {
            self.instance.discard();
        }
        let fails = self.happens(self.chance.failure).then(|| self.random.random_range(0..4));
        self.state.fail_in(fails);
        let state: Arc<dyn TaskState> = Arc::clone(&self.state) as _;
        let first = work(&mut self.instance, &state);
        self.state.fail_in(None);
        match first {
            Err(_) if fails.is_some() => {
                self.step.step.close_circuit();
                Ok(work(&mut self.instance, &state)?)
            }
            done => Ok(done?),
        }
    }
}
