//! A step: a guest run over a sequence of rows. Cuts, lost instances and injected traps come from a
//! seed; what takes effect must not.

use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use wasmtime::component::{Component, InstancePre, Linker, Resource};
use wasmtime::{Config, Engine, Result, Store, bail};

use crate::bindings::{Error, KeyedTransform, pack};
use crate::context::Context;
use crate::imports;
use crate::row::Row;
use crate::staged::Work;
use crate::task::{DeadLetter, Task};
use crate::watermark::{Moves, Watermark};

/// How often something happens, of a thousand opportunities each.
#[derive(Debug, Clone, Copy)]
pub struct Chance {
    /// A cut after a row or timer.
    pub cut: u32,
    /// An instance is thrown away before a call.
    pub lost: u32,
    /// One of a call's first host calls traps.
    pub trap: u32,
}

/// What the host does right; the proof takes either away to see that it would be noticed.
#[derive(Debug, Clone, Copy)]
pub struct Protocol {
    /// The effects of a call wait until it returns ok.
    pub staged: bool,
    /// The watermark moves where the rows say, not at the end of whatever batch was cut.
    pub moves_with_rows: bool,
}

/// A compiled guest and its configuration.
pub struct Step {
    engine: Engine,
    instance: InstancePre<Context>,
    config: String,
}

struct Run<'a> {
    step: &'a Step,
    random: StdRng,
    chance: Chance,
    protocol: Protocol,
    task: Task,
    live: Option<(Store<Context>, KeyedTransform)>,
}

/// A core module, as cargo built it, made a component and compiled.
pub(crate) fn compile(engine: &Engine, module: &Path) -> Result<Component> {
    let component = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&std::fs::read(module)?)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| wasmtime::Error::msg(format!("{error:#}")))?;
    Component::new(engine, component)
}

impl Step {
    /// Compiles the core module of a guest for world `keyed-transform`.
    ///
    /// # Errors
    /// If it is no such module, or imports what the proof's host does not offer.
    pub fn load(module: &Path, config: &str) -> Result<Self> {
        let engine = Engine::new(Config::new().concurrency_support(false))?;
        let mut linker = Linker::new(&engine);
        imports::link(&mut linker)?;
        let instance = linker.instantiate_pre(&compile(&engine, module)?)?;
        Ok(Self { engine, instance, config: config.to_owned() })
    }

    /// Runs the guest over `rows` and returns what took effect.
    ///
    /// # Errors
    /// If the guest refuses its configuration or fails in a way that no row or timer is blamed for.
    pub fn run(
        &self,
        rows: &[Row],
        moves: Moves,
        seed: u64,
        chance: Chance,
        protocol: Protocol,
    ) -> Result<Task> {
        let random = StdRng::seed_from_u64(seed);
        let mut run = Run { step: self, random, chance, protocol, task: Task::default(), live: None };
        let inputs = run.live()?.0.data().plan.as_ref().map_or(0, |plan| plan.inputs.len());
        let mut watermark = Watermark::new(moves, inputs);
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
        Ok(run.task)
    }
}

impl Run<'_> {
    fn happens(&mut self, of_thousand: u32) -> bool {
        self.random.random_range(0..1000) < of_thousand
    }

    fn flush(&mut self, pending: &mut Vec<Row>, watermark: &mut Watermark) -> Result<()> {
        if pending.is_empty() {
            return Ok(());
        }
        self.work(Work::Rows(std::mem::take(pending)))?;
        if self.protocol.moves_with_rows {
            return Ok(());
        }
        watermark.at_once().map_or(Ok(()), |moved| self.move_to(moved))
    }

    fn move_to(&mut self, watermark: i64) -> Result<()> {
        let mut due = vec![];
        for timer in self.task.move_to(watermark) {
            due.push(timer);
            if self.happens(self.chance.cut) {
                self.work(Work::Timers(std::mem::take(&mut due), watermark))?;
            }
        }
        if due.is_empty() { Ok(()) } else { self.work(Work::Timers(due, watermark)) }
    }

    /// One call, or as many as it takes to find out who is guilty: one that fails twice, alone.
    fn work(&mut self, mut work: Work) -> Result<()> {
        let trap_in = self.happens(self.chance.trap).then(|| self.random.random_range(0..16));
        if self.call(&work, trap_in)?.is_none() {
            return Ok(());
        }
        if work.len() > 1 {
            let rest = work.split_off(work.len() / 2);
            self.work(work)?;
            return self.work(rest);
        }
        if let Some(reason) = self.call(&work, None)? {
            self.task.outcome.dead.push(DeadLetter { origin: work.origin(0), reason });
        }
        Ok(())
    }

    /// Calls the guest once; returns the reason if rows or timers are to blame.
    fn call(&mut self, work: &Work, trap_in: Option<u32>) -> Result<Option<String>> {
        if self.happens(self.chance.lost) {
            self.live = None;
        }
        self.live()?;
        let task = std::mem::take(&mut self.task);
        let (store, guest) = self.live()?;
        store.data_mut().begin(task, work.clone(), trap_in);
        let result = match work {
            Work::Rows(rows) => {
                let input = rows.first().map_or(0, |row| row.input);
                guest.millstream_plugin_plugin().call_process(&mut *store, input, Resource::new_borrow(0))
            }
            Work::Timers(timers, _) => {
                let keys: Vec<Option<&Vec<u8>>> = timers.iter().map(|(_, key)| Some(key)).collect();
                let micros: Vec<i64> = timers.iter().map(|(time, _)| *time).collect();
                guest.millstream_plugin_timed().call_fire(&mut *store, &pack(&keys), &micros)
            }
        };
        let Some(call) = store.data_mut().end() else { bail!("the call is gone") };
        self.task = call.task;
        if result.is_err() {
            self.live = None;
        }
        if matches!(result, Ok(Ok(()))) || !self.protocol.staged {
            call.staged.apply(work, &mut self.task);
        }
        match result {
            Ok(Ok(())) => Ok(None),
            Ok(Err(Error::BadBatch(reason))) => Ok(Some(reason)),
            Ok(Err(Error::Retry(reason) | Error::Fatal(reason))) => bail!("{reason}"),
            Err(_) => Ok(Some("trapped".to_owned())),
        }
    }

    /// The instance in use, or a new one: nothing that matters was lost with the old.
    fn live(&mut self) -> Result<&mut (Store<Context>, KeyedTransform)> {
        let live = match self.live.take() {
            Some(live) => live,
            None => self.instantiate()?,
        };
        Ok(self.live.insert(live))
    }

    fn instantiate(&mut self) -> Result<(Store<Context>, KeyedTransform)> {
        let mut store = Store::new(&self.step.engine, Context::default());
        let instance = self.step.instance.instantiate(&mut store)?;
        let guest = KeyedTransform::new(&mut store, &instance)?;
        let plan = guest
            .millstream_plugin_plugin()
            .call_configure(&mut store, &self.step.config, &[])?
            .map_err(|problems| wasmtime::Error::msg(format!("configuration refused: {problems:?}")))?;
        for declared in &plan.stores {
            self.task.declare(&declared.name, declared.ttl_seconds);
        }
        let context = store.data_mut();
        context.stores = plan.stores.iter().map(|store| store.name.clone()).collect();
        context.plan = Some(plan);
        Ok((store, guest))
    }
}
