//! Checks the plan of a plugin that keeps state: several inputs, their keys, stores and tables. Pure: no
//! plugin runs here, and whether a stream is partitioned by its key is for those to say who know its topic.

use std::sync::Arc;

use arrow::datatypes::DataType;

use super::check::{check_input, check_system_columns, check_unique, outputs, position, unknown};
use super::{InputSpec, Output, PlanProblem, StepPlan};
use crate::bindings::guest;
use crate::lookup::Tables;
use crate::state::StoreSpec;

/// A checked plan of several inputs.
#[derive(Debug)]
pub(crate) struct KeyedPlan {
    /// For each input.
    pub(crate) inputs: Vec<Arc<StepPlan>>,
    /// Columns of each input's key.
    pub(crate) keys: Vec<Vec<String>>,
    pub(crate) stores: Arc<[StoreSpec]>,
    /// All outputs of the plan.
    pub(crate) outputs: Vec<Output>,
}

/// Checks `plan` against its streams and the tables there are. A problem comes with the number of its input.
pub(crate) fn check(
    plan: &guest::Plan,
    inputs: &[InputSpec],
    tables: &Tables,
) -> Result<KeyedPlan, (usize, PlanProblem)> {
    let everywhere = |problem| (0, problem);
    if plan.inputs.len() != inputs.len() {
        let (found, expected) = (plan.inputs.len(), inputs.len());
        return Err(everywhere(PlanProblem::Inputs { found, expected }));
    }
    check_unique("declares store", plan.stores.iter().map(|store| &store.name)).map_err(everywhere)?;
    check_keys(plan, inputs)?;
    let mut checked = Vec::with_capacity(inputs.len());
    for (number, (own, input)) in plan.inputs.iter().zip(inputs).enumerate() {
        let at = |problem| (number, problem);
        check_system_columns(input).map_err(at)?;
        checked.push(check_input(own, input).map_err(at)?);
    }
    let outputs = outputs(plan, &checked).map_err(everywhere)?;
    let finish = |(number, input): (usize, super::check::CheckedInput<'_>)| {
        input.finish(plan, outputs.clone(), tables).map(Arc::new).map_err(|problem| (number, problem))
    };
    let plans = checked.into_iter().enumerate().map(finish).collect::<Result<_, _>>()?;
    let store = |store: &guest::Store| StoreSpec {
        name: store.name.clone(),
        version: store.version,
        ttl_seconds: store.ttl_seconds,
    };
    Ok(KeyedPlan {
        inputs: plans,
        keys: plan.inputs.iter().map(|input| input.key.clone().unwrap_or_default()).collect(),
        stores: plan.stores.iter().map(store).collect(),
        outputs,
    })
}

/// Keys must be there where there is state, be columns of their streams, and fit each other.
fn check_keys(plan: &guest::Plan, inputs: &[InputSpec]) -> Result<(), (usize, PlanProblem)> {
    let mut first: Option<(&[String], Vec<&DataType>)> = None;
    for (number, (own, input)) in plan.inputs.iter().zip(inputs).enumerate() {
        let key = own.key.as_deref().unwrap_or_default();
        if let Some(store) = plan.stores.first().filter(|_| key.is_empty()) {
            return Err((number, PlanProblem::NoKey { store: store.name.clone(), input: number }));
        }
        let column = |name: &String| {
            let column =
                position(&input.schema, name).ok_or_else(|| (number, unknown("is keyed by", name, input)))?;
            Ok(input.schema.field(column).data_type())
        };
        let types = key.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        match &first {
            Some((first, other)) if *other != types => {
                let (first, other) = (first.to_vec(), key.to_vec());
                return Err((number, PlanProblem::Keys { first, input: number, other }));
            }
            Some(_) => {}
            None => first = Some((key, types)),
        }
    }
    Ok(())
}
