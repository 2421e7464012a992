//! From a configuration and inputs to a plugin that keeps state, with its plan: what [`Keyed`] and [`KeyedJoin`] have
//! in common.

use super::key::KeyedRow;
use super::task::RawTask;
use super::timers::Timers;
use super::{Keyed, KeyedJoin, Stores, run};
use crate::batch::{Bytes, RawBatch};
use crate::bindings::exports::millstream::plugin::plugin;
use crate::configure::{parse, plan_of_rows, widen};
use crate::lookup::Lookups;
use crate::output::Outputs;
use crate::plan::{ConfigProblem, Field, Input, InputPlan, Places, Plan};
use crate::transform::Outcome;
use crate::value::Timestamp;
use crate::{About, Error};

/// What [`export_keyed!`](crate::export_keyed) takes: a [`Keyed`] (`Kind` is [`OfOne`]) or a [`KeyedJoin`]
/// ([`OfTwo`]). Not for other types.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no plugin that keeps state",
    note = "implement `Keyed` for functions over rows of one input, or `KeyedJoin` for those of two"
)]
pub trait KeyedPlugin<Kind>: Sized {
    #[doc(hidden)]
    const ABOUT: About;
    /// Number of its inputs.
    #[doc(hidden)]
    const INPUTS: usize;
    /// What it reads and writes of an input, and why it cannot be read.
    #[doc(hidden)]
    fn read(number: usize, input: &Input) -> (Places, InputPlan, Vec<ConfigProblem>);
    #[doc(hidden)]
    fn make(config: &str) -> Result<Self, Vec<ConfigProblem>>;
    #[doc(hidden)]
    fn stores(&mut self) -> Stores<'_>;
    #[doc(hidden)]
    fn outputs(&mut self) -> Outputs<'_>;
    #[doc(hidden)]
    fn lookups(&mut self) -> Lookups<'_>;
    #[doc(hidden)]
    fn process(&mut self, input: usize, places: &Places, work: (&dyn RawBatch, &dyn RawTask));
    #[doc(hidden)]
    fn fire(&mut self, key: &[u8], at: Timestamp, timers: &mut Timers) -> Result<(), Error>;
}

/// A plugin over rows of one input.
pub struct OfOne;
/// A plugin over rows of two inputs.
pub struct OfTwo;

/// A plugin that is ready for its inputs.
pub struct Configured<P> {
    plugin: P,
    places: Vec<Places>,
    plan: Plan,
}

impl<P> Configured<P> {
    /// What the host is told.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    #[doc(hidden)]
    pub fn process<Kind>(&mut self, input: usize, batch: &dyn RawBatch, task: &dyn RawTask)
    where
        P: KeyedPlugin<Kind>,
    {
        self.plugin.process(input, &self.places[input], (batch, task));
    }

    /// Fires timers.
    ///
    /// # Errors
    /// That of the plugin.
    #[doc(hidden)]
    pub fn fire<Kind>(&mut self, keys: Bytes, micros: &[i64], task: &dyn RawTask) -> Result<(), Error>
    where
        P: KeyedPlugin<Kind>,
    {
        run::timers(&mut self.plugin, (keys, micros), task)
    }
}

/// What a plugin says of itself, as the ABI has it.
#[doc(hidden)]
pub fn describe<P: KeyedPlugin<Kind>, Kind>() -> plugin::About {
    P::ABOUT.into()
}

/// Configures a plugin for its inputs.
///
/// # Errors
/// Problems of the configuration, by the path of the key; problems of the inputs' schemas, by `inputs.NAME.COLUMN`.
pub fn configure<P: KeyedPlugin<Kind>, Kind>(
    config: &str,
    inputs: &[Input],
) -> Result<Configured<P>, Vec<ConfigProblem>> {
    if inputs.len() != P::INPUTS {
        let message = format!("this plugin takes {} input(s), not {}", P::INPUTS, inputs.len());
        return Err(vec![ConfigProblem::new("inputs", message)]);
    }
    let (mut places, mut plans, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for (number, input) in inputs.iter().enumerate() {
        let (own, plan, unreadable) = P::read(number, input);
        places.push(own);
        plans.push(plan);
        problems.extend(unreadable);
    }
    let mut plugin = match P::make(config) {
        Ok(plugin) if problems.is_empty() => plugin,
        Ok(_) => return Err(problems),
        Err(found) => return Err(found.into_iter().chain(problems).collect()),
    };
    let is_preserving = plugin.outputs().is_empty();
    plans.iter_mut().for_each(|plan| plan.row_preserving &= is_preserving);
    let mut wider = Vec::new();
    let outputs = plugin.outputs().declare(&nullable(&inputs[0]), &mut wider, &mut problems);
    let tables = plugin.lookups().declare(&inputs[0], &mut plans[0], &mut problems);
    widen(&mut plans[0], wider);
    if !problems.is_empty() {
        return Err(problems);
    }
    let stores = plugin.stores().declare();
    let plan = Plan { inputs: plans, outputs, stores, tables, hints: vec![] };
    Ok(Configured { plugin, places, plan })
}

/// The input as outputs inherit from it: rows of timers have no parent, and those of the second input may have one
/// without these columns.
fn nullable(input: &Input) -> Input {
    let fields = input.fields.iter().map(|field| Field { nullable: true, ..field.clone() });
    Input { name: input.name.clone(), fields: fields.collect() }
}

fn read<R: KeyedRow>(input: &Input, row_preserving: bool) -> (Places, InputPlan, Vec<ConfigProblem>) {
    let (places, own, unreadable) = plan_of_rows(R::reads(), R::writes(), input, row_preserving);
    let key = R::KEY.iter().map(|column| (*column).to_owned()).collect();
    (places, InputPlan { key: Some(key), ..own }, unreadable)
}

impl<T: Keyed> KeyedPlugin<OfOne> for T {
    const ABOUT: About = T::ABOUT;
    const INPUTS: usize = 1;

    fn read(_: usize, input: &Input) -> (Places, InputPlan, Vec<ConfigProblem>) {
        read::<T::Row>(input, T::Outcome::PRESERVES_ROWS)
    }

    fn make(config: &str) -> Result<Self, Vec<ConfigProblem>> {
        parse(config).and_then(T::configure)
    }

    fn stores(&mut self) -> Stores<'_> {
        Keyed::stores(self)
    }

    fn outputs(&mut self) -> Outputs<'_> {
        Keyed::outputs(self)
    }

    fn lookups(&mut self) -> Lookups<'_> {
        Keyed::lookups(self)
    }

    fn process(&mut self, _: usize, places: &Places, work: (&dyn RawBatch, &dyn RawTask)) {
        run::rows::<T, OfOne, T::Row, T::Outcome>(self, places, work, |plugin, row, timers| {
            Keyed::process(plugin, row, timers)
        });
    }

    fn fire(&mut self, key: &[u8], at: Timestamp, timers: &mut Timers) -> Result<(), Error> {
        self.on_timer(run::key_of::<T::Row>(key)?, at, timers)
    }
}

impl<T: KeyedJoin> KeyedPlugin<OfTwo> for T {
    const ABOUT: About = T::ABOUT;
    const INPUTS: usize = 2;

    fn read(number: usize, input: &Input) -> (Places, InputPlan, Vec<ConfigProblem>) {
        match number {
            0 => read::<T::Left>(input, T::Outcome::PRESERVES_ROWS),
            _ => read::<T::Right>(input, T::Outcome::PRESERVES_ROWS),
        }
    }

    fn make(config: &str) -> Result<Self, Vec<ConfigProblem>> {
        parse(config).and_then(T::configure)
    }

    fn stores(&mut self) -> Stores<'_> {
        KeyedJoin::stores(self)
    }

    fn outputs(&mut self) -> Outputs<'_> {
        KeyedJoin::outputs(self)
    }

    fn lookups(&mut self) -> Lookups<'_> {
        Lookups::none()
    }

    fn process(&mut self, input: usize, places: &Places, work: (&dyn RawBatch, &dyn RawTask)) {
        match input {
            0 => run::rows::<T, OfTwo, T::Left, T::Outcome>(self, places, work, |plugin, row, timers| {
                plugin.left(row, timers)
            }),
            _ => run::rows::<T, OfTwo, T::Right, T::Outcome>(self, places, work, |plugin, row, timers| {
                plugin.right(row, timers)
            }),
        }
    }

    fn fire(&mut self, key: &[u8], at: Timestamp, timers: &mut Timers) -> Result<(), Error> {
        self.on_timer(run::key_of::<T::Left>(key)?, at, timers)
    }
}

/// A configured plugin of whatever type: what an instance holds.
#[doc(hidden)]
pub struct Ready(Box<dyn Works>);

trait Works {
    fn process(&mut self, input: usize, batch: &dyn RawBatch, task: &dyn RawTask);
    fn fire(&mut self, keys: Bytes, micros: &[i64], task: &dyn RawTask) -> Result<(), Error>;
}

struct Of<P, Kind>(Configured<P>, std::marker::PhantomData<Kind>);

impl<P: KeyedPlugin<Kind>, Kind> Works for Of<P, Kind> {
    fn process(&mut self, input: usize, batch: &dyn RawBatch, task: &dyn RawTask) {
        self.0.process(input, batch, task);
    }

    fn fire(&mut self, keys: Bytes, micros: &[i64], task: &dyn RawTask) -> Result<(), Error> {
        self.0.fire(keys, micros, task)
    }
}

impl Ready {
    /// Takes a plugin into use.
    pub fn new<P: KeyedPlugin<Kind> + 'static, Kind: 'static>(configured: Configured<P>) -> Self {
        Self(Box::new(Of(configured, std::marker::PhantomData)))
    }

    /// Processes a batch of input number `input`.
    pub fn process(&mut self, input: u32, batch: &dyn RawBatch, task: &dyn RawTask) {
        self.0.process(input as usize, batch, task);
    }

    /// Fires timers.
    ///
    /// # Errors
    /// That of the plugin.
    pub fn fire(&mut self, keys: Bytes, micros: &[i64], task: &dyn RawTask) -> Result<(), Error> {
        self.0.fire(keys, micros, task)
    }
}
