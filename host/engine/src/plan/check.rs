//! Checks a plan and resolves its names. Pure: no plugin runs here.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use millstream_model::columns;

use super::{
    EmitColumn, EmitPlan, InputSpec, Origin, Output, Plan, PlanProblem, Reach, Read, StepPlan, Target, Write,
};
use crate::bindings::guest;
use crate::bindings::types::Field as WitField;
use crate::lookup::Tables;
use crate::types::{castable, display, from_wit, is_supported, same, to_wit};

/// Checks `plan` of a plugin without state against its stream and the tables there are.
pub(crate) fn check(plan: &guest::Plan, input: &InputSpec, tables: &Tables) -> Result<StepPlan, PlanProblem> {
    check_system_columns(input)?;
    let own = check_world(plan, tables)?;
    let checked = check_input(own, input)?;
    let outputs = outputs(plan, std::slice::from_ref(&checked))?;
    let routed = outputs.into_iter().filter(|output| output.name != input.name).collect();
    checked.finish(plan, routed, tables)
}

/// One input of a plan, before its outputs are known.
pub(super) struct CheckedInput<'a> {
    own: &'a guest::InputPlan,
    pub(super) input: &'a InputSpec,
    reads: Vec<Read>,
    writes: Vec<Write>,
    output: SchemaRef,
    layout: Vec<Origin>,
}

/// Checks what `own` says of an input against its schema.
pub(super) fn check_input<'a>(
    own: &'a guest::InputPlan,
    input: &'a InputSpec,
) -> Result<CheckedInput<'a>, PlanProblem> {
    let reads = reads(&own.reads, input)?;
    let writes = writes(&own.writes, input)?;
    check_drops(own, input)?;
    let (output, layout) = output_schema(input, &writes, &own.drops);
    Ok(CheckedInput { own, input, reads, writes, output, layout })
}

impl CheckedInput<'_> {
    /// The plan for batches of this input; what it emits beside its stream is one of `routed`.
    pub(super) fn finish(
        self,
        plan: &guest::Plan,
        routed: Vec<Output>,
        tables: &Tables,
    ) -> Result<StepPlan, PlanProblem> {
        let Self { own, input, reads, writes, output, layout } = self;
        let emits = plan.outputs.iter().map(|declared| emit_plan(declared, input, &output, &routed));
        let emits = emits.collect::<Result<_, _>>()?;
        let read_as =
            |(field, read): (&WitField, &Read)| Field::new(&field.name, read.ty.clone(), field.nullable);
        let declared = Plan {
            reads: own.reads.iter().zip(&reads).map(read_as).collect(),
            writes: writes.iter().map(|write| write.field.as_ref().clone()).collect(),
            drops: own.drops.clone(),
            row_preserving: own.row_preserving,
        };
        Ok(StepPlan {
            declared,
            input: Arc::clone(&input.schema),
            output,
            offset_column: position(&input.schema, columns::OFFSET).unwrap_or_default(),
            reads,
            tables: super::tables::resolve(&plan.tables, tables, &writes)?,
            writes,
            layout,
            emits,
            routed,
        })
    }
}

/// Refuses a plan with state of a plugin that can ask servers: what they answered once would stay in it.
pub(crate) fn check_http(reach: Reach<'_>) -> Result<(), PlanProblem> {
    let stores = reach.plan.stores.iter().map(|store| format!("store `{}`", store.name));
    let keys = reach.plan.inputs.iter().filter_map(|input| input.key.as_ref());
    let state = stores.chain(keys.map(|key| format!("key `{}`", key.join("`, `")))).next();
    match state.filter(|_| reach.imports_http) {
        Some(what) => Err(PlanProblem::HttpWithState { what }),
        None => Ok(()),
    }
}

pub(super) fn check_system_columns(input: &InputSpec) -> Result<(), PlanProblem> {
    for expected in columns::of_batch() {
        let found = input.schema.field_with_name(expected.name());
        if !found.is_ok_and(|found| found.data_type() == expected.data_type()) {
            return Err(PlanProblem::MissingSystemColumn {
                input: input.name.clone(),
                column: expected.name().clone(),
                expected: display(&to_wit(expected.data_type())),
            });
        }
    }
    Ok(())
}

/// The plan of the only input, if the plan needs nothing that this world lacks.
fn check_world<'a>(plan: &'a guest::Plan, tables: &Tables) -> Result<&'a guest::InputPlan, PlanProblem> {
    if let Some(table) = plan.tables.first().filter(|_| tables.is_empty()) {
        return Err(PlanProblem::LookupTable { table: table.name.clone() });
    }
    if let Some(store) = plan.stores.first() {
        return Err(PlanProblem::Keyed { what: format!("store `{}`", store.name) });
    }
    let [own] = plan.inputs.as_slice() else {
        return Err(PlanProblem::Inputs { found: plan.inputs.len(), expected: 1 });
    };
    match &own.key {
        Some(key) => Err(PlanProblem::Keyed { what: format!("key `{}`", key.join("`, `")) }),
        None => Ok(own),
    }
}

pub(super) fn position(schema: &Schema, name: &str) -> Option<usize> {
    schema.fields().iter().position(|field| field.name() == name)
}

pub(super) fn check_unique<'a>(
    verb: &'static str,
    names: impl IntoIterator<Item = &'a String>,
) -> Result<(), PlanProblem> {
    let mut seen = HashSet::new();
    match names.into_iter().find(|name| !seen.insert(*name)) {
        Some(twice) => Err(PlanProblem::Duplicate { verb, column: twice.clone() }),
        None => Ok(()),
    }
}

fn reads(fields: &[WitField], input: &InputSpec) -> Result<Vec<Read>, PlanProblem> {
    check_unique("reads", fields.iter().map(|field| &field.name))?;
    fields.iter().map(|field| read(field, input)).collect()
}

fn read(field: &WitField, input: &InputSpec) -> Result<Read, PlanProblem> {
    let column = position(&input.schema, &field.name).ok_or_else(|| unknown("reads", &field.name, input))?;
    let actual = input.schema.field(column);
    let expected = from_wit(&field.ty).filter(|_| is_supported(actual.data_type()));
    let Some(expected) = expected else {
        return Err(PlanProblem::UnsupportedType {
            verb: "reads",
            column: field.name.clone(),
            ty: display(&to_wit(actual.data_type())),
        });
    };
    let cast = !same(actual.data_type(), &expected);
    if cast && !castable(actual.data_type(), &expected) {
        return Err(PlanProblem::NotCastable {
            column: field.name.clone(),
            input: input.name.clone(),
            expected: display(&field.ty),
            found: display(&to_wit(actual.data_type())),
        });
    }
    if actual.is_nullable() && !field.nullable {
        return Err(PlanProblem::Nullable { column: field.name.clone(), input: input.name.clone() });
    }
    let ty = if cast { expected } else { actual.data_type().clone() };
    Ok(Read { column, name: field.name.clone(), ty, cast })
}

fn writes(fields: &[WitField], input: &InputSpec) -> Result<Vec<Write>, PlanProblem> {
    check_unique("writes", fields.iter().map(|field| &field.name))?;
    fields.iter().map(|field| write(field, input)).collect()
}

fn write(field: &WitField, input: &InputSpec) -> Result<Write, PlanProblem> {
    let ty = written_type("writes", field)?;
    let existing = position(&input.schema, &field.name)
        .filter(|column| same(input.schema.field(*column).data_type(), &ty));
    // The stream's own spelling of the type stays: a zone named +00:00, the name of a list's item.
    let ty = existing.map_or(ty, |column| input.schema.field(column).data_type().clone());
    Ok(Write { field: Arc::new(Field::new(&field.name, ty, field.nullable)), fallback: existing })
}

fn written_type(verb: &'static str, field: &WitField) -> Result<DataType, PlanProblem> {
    if columns::is_system(&field.name) {
        return Err(PlanProblem::SystemColumn { verb, column: field.name.clone() });
    }
    from_wit(&field.ty).ok_or_else(|| PlanProblem::UnsupportedType {
        verb,
        column: field.name.clone(),
        ty: display(&field.ty),
    })
}

fn check_drops(own: &guest::InputPlan, input: &InputSpec) -> Result<(), PlanProblem> {
    check_unique("drops", &own.drops)?;
    for column in &own.drops {
        if columns::is_system(column) {
            return Err(PlanProblem::SystemColumn { verb: "drops", column: column.clone() });
        }
        if position(&input.schema, column).is_none() {
            return Err(unknown("drops", column, input));
        }
        if own.writes.iter().any(|field| field.name == *column) {
            return Err(PlanProblem::WrittenAndDropped { column: column.clone() });
        }
    }
    Ok(())
}

/// The input's columns without the dropped ones, written ones in place; new ones stand before the first
/// system column.
fn output_schema(input: &InputSpec, writes: &[Write], drops: &[String]) -> (SchemaRef, Vec<Origin>) {
    let is_system = |field: &FieldRef| columns::of_batch().iter().any(|own| own.name() == field.name());
    let new = |(number, write): (usize, &Write)| (Arc::clone(&write.field), Origin::Write(number));
    let mut added: Vec<_> = writes
        .iter()
        .enumerate()
        .filter(|(_, write)| position(&input.schema, write.field.name()).is_none())
        .map(new)
        .collect();
    let mut columns: Vec<(FieldRef, Origin)> = Vec::new();
    for (column, field) in input.schema.fields().iter().enumerate() {
        if is_system(field) {
            columns.append(&mut added);
        }
        if drops.contains(field.name()) {
            continue;
        }
        let rewritten = writes.iter().enumerate().find(|(_, write)| write.field.name() == field.name());
        columns.push(rewritten.map_or_else(|| (Arc::clone(field), Origin::Input(column)), new));
    }
    let (fields, layout): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    (Arc::new(Schema::new_with_metadata(fields, input.schema.metadata().clone())), layout)
}

/// The plan's outputs, by their numbers. One that has the name of an input has its stream's columns, every
/// other its own and the system columns of the rows it was made of.
pub(super) fn outputs(plan: &guest::Plan, inputs: &[CheckedInput<'_>]) -> Result<Vec<Output>, PlanProblem> {
    check_unique("declares output", plan.outputs.iter().map(|output| &output.name))?;
    let row_preserving = inputs.iter().all(|input| input.own.row_preserving);
    if let Some(output) = plan.outputs.first().filter(|_| row_preserving) {
        return Err(PlanProblem::OutputOfRowPreserving { output: output.name.clone() });
    }
    let mut outputs = Vec::with_capacity(plan.outputs.len());
    for declared in &plan.outputs {
        check_unique("emits", declared.fields.iter().map(|field| &field.name))?;
        let stream = inputs.iter().find(|input| input.input.name == declared.name);
        let stream = stream.map(|input| &input.output);
        let fields = emitted_fields(declared, stream)?;
        let schema = stream.map_or_else(
            || {
                let system = columns::of_batch().into_iter().map(Arc::new);
                Arc::new(Schema::new(fields.into_iter().chain(system).collect::<Vec<_>>()))
            },
            Arc::clone,
        );
        outputs.push(Output { name: declared.name.clone(), schema });
    }
    Ok(outputs)
}

/// How rows of one output are put together in a call for `input`, whose stream looks like `stream` behind the
/// step.
fn emit_plan(
    declared: &guest::Output,
    input: &InputSpec,
    stream: &SchemaRef,
    routed: &[Output],
) -> Result<EmitPlan, PlanProblem> {
    let place = routed.iter().position(|output| output.name == declared.name);
    let (schema, target) = match place.filter(|_| declared.name != input.name) {
        Some(number) => (&routed[number].schema, Target::Routed(number)),
        None => (stream, Target::Stream),
    };
    let fields = declared.fields.iter().map(|field| {
        let column = position(schema, &field.name);
        column
            .map(|column| Arc::clone(&schema.fields()[column]))
            .ok_or_else(|| unknown("emits", &field.name, input))
    });
    let fields: Vec<FieldRef> = fields.collect::<Result<_, _>>()?;
    let own = schema.fields().iter().filter(|field| !columns::is_system(field.name())).cloned();
    let fired: SchemaRef = Arc::new(Schema::new(own.collect::<Vec<_>>()));
    let columns =
        |schema: &SchemaRef| schema.fields().iter().map(|field| emit_column(field, &fields, input)).collect();
    Ok(EmitPlan {
        name: declared.name.clone(),
        target,
        columns: columns(schema),
        fired_columns: columns(&fired),
        fired,
        schema: Arc::clone(schema),
        fields,
    })
}

/// The fields of an output, which continues `stream` if it has one.
fn emitted_fields(
    declared: &guest::Output,
    stream: Option<&SchemaRef>,
) -> Result<Vec<FieldRef>, PlanProblem> {
    let stream = stream.map(|schema| (&declared.name, schema));
    declared.fields.iter().map(|field| emitted_field(field, stream)).collect()
}

/// A field of an output; one that continues the stream must be a column of it, type and all.
fn emitted_field(field: &WitField, stream: Option<(&String, &SchemaRef)>) -> Result<FieldRef, PlanProblem> {
    let ty = written_type("emits", field)?;
    let Some((output, schema)) = stream else {
        return Ok(Arc::new(Field::new(&field.name, ty, field.nullable)));
    };
    let fail =
        |reason: String| PlanProblem::Output { output: output.clone(), column: field.name.clone(), reason };
    let Some(column) = position(schema, &field.name) else {
        return Err(fail(
            "is not one of the stream's behind this step; write it in the plan as well".to_owned(),
        ));
    };
    let expected = &schema.fields()[column];
    if !same(expected.data_type(), &ty) {
        let expected = display(&to_wit(expected.data_type()));
        return Err(fail(format!(
            "is {expected} behind this step, and {} in the output",
            display(&field.ty)
        )));
    }
    Ok(Arc::clone(expected))
}

fn emit_column(field: &FieldRef, written: &[FieldRef], input: &InputSpec) -> EmitColumn {
    let inherited = position(&input.schema, field.name())
        .filter(|column| input.schema.field(*column).data_type() == field.data_type());
    EmitColumn { written: written.iter().position(|own| own.name() == field.name()), inherited }
}

pub(super) fn unknown(verb: &'static str, column: &str, input: &InputSpec) -> PlanProblem {
    let names = input.schema.fields().iter().map(|field| field.name());
    let nearest = names.clone().map(|name| (distance(column, name), name)).min();
    let remedy = match nearest {
        Some((distance, name)) if distance <= column.chars().count().max(3) / 3 => {
            format!("did you mean `{name}`?")
        }
        _ => {
            let declared: Vec<&str> =
                names.filter(|name| !columns::is_system(name)).map(String::as_str).take(40).collect();
            format!("declare it, or use one of `{}`", declared.join("`, `"))
        }
    };
    PlanProblem::UnknownColumn { verb, column: column.to_owned(), input: input.name.clone(), remedy }
}

/// Edit distance (Levenshtein), blind to case and underscores.
fn distance(left: &str, right: &str) -> usize {
    let plain = |text: &str| -> Vec<char> { text.to_lowercase().chars().filter(|c| *c != '_').collect() };
    let (left, right) = (plain(left), plain(right));
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}
