//! From a configuration as text and the input's schema to a plugin and its plan. Every problem is found
//! in one go and named by key or column.

use std::cell::Cell;
use std::rc::Rc;

use crate::batch::RawBatch;
use crate::bindings::exports::millstream::plugin::plugin;
use crate::columnar::{Batch, Columnar, Stream};
use crate::lookup::Lookups;
use crate::output::Outputs;
use crate::plan::{self, ConfigProblem, Field, Input, InputPlan, Places, Plan, Read};
use crate::transform::{self, Outcome, Row, Transform};
use crate::{About, Error};

/// What [`export!`](crate::export) takes: a [`Transform`] (`Kind` is [`ByRow`]) or a [`Columnar`]
/// ([`ByColumn`]). Not for other types.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no plugin",
    note = "implement `Transform` for functions over rows, or `Columnar` for those over columns"
)]
pub trait Plugin<Kind>: Sized {
    /// Where the plugin finds its columns.
    #[doc(hidden)]
    type Layout;
    #[doc(hidden)]
    const ABOUT: About;
    /// The plugin for a stream, with its plan as far as its input goes.
    #[doc(hidden)]
    fn prepare(config: &str, input: &Input) -> Result<(Self, Self::Layout, InputPlan), Vec<ConfigProblem>>;
    #[doc(hidden)]
    fn outputs(&mut self) -> Outputs<'_>;
    #[doc(hidden)]
    fn lookups(&mut self) -> Lookups<'_>;
    #[doc(hidden)]
    fn run(&mut self, layout: &Self::Layout, batch: &dyn RawBatch) -> Result<(), Error>;
}

/// A plugin of functions over rows.
pub struct ByRow;
/// A plugin of functions over columns.
pub struct ByColumn;

/// A plugin that is ready for a stream.
pub struct Configured<P: Plugin<Kind>, Kind> {
    plugin: P,
    layout: P::Layout,
    plan: Plan,
}

impl<P: Plugin<Kind>, Kind> Configured<P, Kind> {
    /// What the host is told.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Processes a batch.
    ///
    /// # Errors
    /// That of the plugin.
    #[doc(hidden)]
    pub fn process(&mut self, batch: &dyn RawBatch) -> Result<(), Error> {
        self.plugin.run(&self.layout, batch)
    }
}

/// A configured plugin of whatever type: what an instance holds.
#[doc(hidden)]
pub struct Ready(Box<Process>);

type Process = dyn FnMut(&dyn RawBatch) -> Result<(), Error>;

impl Ready {
    /// Takes a plugin into use.
    pub fn new<P: Plugin<Kind> + 'static, Kind: 'static>(mut configured: Configured<P, Kind>) -> Self
    where
        P::Layout: 'static,
    {
        Self(Box::new(move |batch| configured.process(batch)))
    }

    /// Processes a batch.
    ///
    /// # Errors
    /// That of the plugin.
    pub fn process(&mut self, batch: &dyn RawBatch) -> Result<(), Error> {
        (self.0)(batch)
    }
}

/// What a plugin says of itself, as the ABI has it.
#[doc(hidden)]
pub fn describe<P: Plugin<Kind>, Kind>() -> plugin::About {
    P::ABOUT.into()
}

impl From<About> for plugin::About {
    #[inline(always)]
    fn from(about: About) -> Self {
        Self {
            name: about.name.to_owned(),
            version: about.version.to_owned(),
            config_schema: about.config_schema.map(str::to_owned),
            example_config: about.example_config.to_owned(),
        }
    }
}

/// Configures a plugin for its one input.
///
/// # Errors
/// Problems of the configuration, by the path of the key; problems of the input's schema, by
/// `inputs.NAME.COLUMN`.
pub fn configure<P: Plugin<Kind>, Kind>(
    config: &str,
    inputs: &[Input],
) -> Result<Configured<P, Kind>, Vec<ConfigProblem>> {
    let [input] = inputs else {
        let message = format!("this plugin takes one input, not {}", inputs.len());
        return Err(vec![ConfigProblem::new("inputs", message)]);
    };
    let (mut plugin, layout, mut own) = P::prepare(config, input)?;
    let (mut wider, mut problems) = (Vec::new(), Vec::new());
    own.row_preserving &= plugin.outputs().is_empty();
    let outputs = plugin.outputs().declare(input, &mut wider, &mut problems);
    let tables = plugin.lookups().declare(input, &mut own, &mut problems);
    widen(&mut own, wider);
    if !problems.is_empty() {
        return Err(problems);
    }
    let plan = Plan { inputs: vec![own], outputs, stores: vec![], tables, hints: vec![] };
    Ok(Configured { plugin, layout, plan })
}

/// Columns that only emitted rows have become columns of the stream.
pub(crate) fn widen(own: &mut InputPlan, wider: Vec<Field>) {
    for field in wider {
        if own.writes.iter().all(|write| write.name != field.name) {
            own.writes.push(field);
        }
    }
}

/// What rows read and write of a stream, where they find it, and why they cannot.
pub(crate) fn plan_of_rows(
    mut reads: Vec<Read>,
    writes: Vec<Field>,
    input: &Input,
    row_preserving: bool,
) -> (Places, InputPlan, Vec<ConfigProblem>) {
    let (mut unreadable, mut drops) = (Vec::new(), Vec::new());
    for read in &reads {
        unreadable.extend(plan::problem_of_read(input, &read.field, read.optional));
    }
    let places = Places::new(&reads, input);
    reads.retain(|read| read.is_planned(input));
    for read in reads.iter().filter(|read| read.dropped) {
        drops.push(read.field.name.clone());
    }
    let reads = reads.into_iter().map(|read| read.field).collect();
    (places, InputPlan { reads, writes, drops, key: None, row_preserving }, unreadable)
}

impl<T: Transform> Plugin<ByRow> for T {
    type Layout = Places;
    const ABOUT: About = T::ABOUT;

    fn prepare(config: &str, input: &Input) -> Result<(Self, Places, InputPlan), Vec<ConfigProblem>> {
        let preserving = T::Outcome::PRESERVES_ROWS;
        let (places, own, unreadable) = plan_of_rows(T::Row::reads(), T::Row::writes(), input, preserving);
        let transform = match parse(config).and_then(T::configure) {
            Ok(transform) if unreadable.is_empty() => transform,
            Ok(_) => return Err(unreadable),
            Err(found) => return Err(found.into_iter().chain(unreadable).collect()),
        };
        Ok((transform, places, own))
    }

    fn outputs(&mut self) -> Outputs<'_> {
        Transform::outputs(self)
    }

    fn lookups(&mut self) -> Lookups<'_> {
        Transform::lookups(self)
    }

    fn run(&mut self, places: &Places, batch: &dyn RawBatch) -> Result<(), Error> {
        transform::run(self, places, batch)
    }
}

impl<C: Columnar> Plugin<ByColumn> for C {
    type Layout = ();
    const ABOUT: About = C::ABOUT;

    fn prepare(config: &str, input: &Input) -> Result<(Self, (), InputPlan), Vec<ConfigProblem>> {
        let mut stream = Stream::new(input);
        let configured = parse(config).and_then(|config| C::configure(config, &mut stream));
        let (own, unreadable) = stream.finish();
        match configured {
            Ok(columnar) if unreadable.is_empty() => Ok((columnar, (), own)),
            Ok(_) => Err(unreadable),
            Err(found) => Err(found.into_iter().chain(unreadable).collect()),
        }
    }

    fn outputs(&mut self) -> Outputs<'_> {
        Columnar::outputs(self)
    }

    fn lookups(&mut self) -> Lookups<'_> {
        Columnar::lookups(self)
    }

    fn run(&mut self, (): &(), raw: &dyn RawBatch) -> Result<(), Error> {
        let in_hand = Rc::new(Cell::new(transform::NO_ROW));
        Columnar::outputs(self).begin(&in_hand);
        Columnar::lookups(self).begin(raw, &in_hand);
        let mut batch = Batch::new(raw);
        self.process(&mut batch)?;
        batch.finish();
        Columnar::outputs(self).finish(raw);
        Ok(())
    }
}

pub(crate) fn parse<C: serde::de::DeserializeOwned>(config: &str) -> Result<C, Vec<ConfigProblem>> {
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let mut json = serde_json::Deserializer::from_str(config);
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    let parsed = serde_ignored::deserialize(tracked, |path| {
        unknown.push(ConfigProblem::new(path.to_string(), "unknown key"));
    });
    match parsed.and_then(|config| json.end().map(|()| config)) {
        Ok(config) if unknown.is_empty() => Ok(config),
        Ok(_) => Err(unknown),
        Err(error) => {
            unknown.push(ConfigProblem::new(track.path().to_string(), error.to_string()));
            Err(unknown)
        }
    }
}
