//! Plans against a stream, without a plugin.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use millstream_model::columns;

use super::check::{check, check_http};
use super::{InputSpec, Origin, PlanProblem, Reach, StepPlan, Target};
use crate::bindings::guest::{InputPlan, Output, Plan, Store};
use crate::bindings::types::{DataType as WitType, Field as WitField};
use crate::grants::Grants;
use crate::lookup::Tables;

fn input() -> InputSpec {
    let declared = vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("speed", DataType::Float32, true),
        Field::new("seen_at", DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))), false),
        Field::new("odd", DataType::Struct(vec![Field::new("x", DataType::Int8, true)].into()), true),
    ];
    InputSpec::new(
        "s",
        Arc::new(Schema::new(declared.into_iter().chain(columns::of_batch()).collect::<Vec<_>>())),
    )
}

fn field(name: &str, ty: WitType, nullable: bool) -> WitField {
    WitField { name: name.to_owned(), ty, nullable }
}

fn own() -> InputPlan {
    InputPlan { reads: vec![], writes: vec![], drops: vec![], key: None, row_preserving: false }
}

fn checked(own: InputPlan, outputs: Vec<Output>) -> Result<StepPlan, PlanProblem> {
    check(
        &Plan { inputs: vec![own], outputs, stores: vec![], tables: vec![], hints: vec![] },
        &input(),
        &Tables::new(),
    )
}

fn refused(own: InputPlan, outputs: Vec<Output>, expected: &str) {
    let message = checked(own, outputs).unwrap_err().to_string();
    assert!(message.contains(expected), "`{expected}` is not in: {message}");
}

#[test]
fn http_is_refused_in_stateful_steps() {
    let message = |key: Option<&str>, store: Option<&str>, imports_http| {
        let key = key.map(|column| vec![column.to_owned()]);
        let store = store.map(|name| Store { name: name.to_owned(), version: 1, ttl_seconds: None });
        let inputs = vec![InputPlan { key, ..own() }];
        let stores = store.into_iter().collect();
        let plan = Plan { inputs, outputs: vec![], stores, tables: vec![], hints: vec![] };
        let reach = Reach { plan: &plan, imports_http, grants: &Grants::default() };
        check_http(reach).err().map(|problem| problem.to_string()).unwrap_or_default()
    };
    assert!(
        message(Some("id"), None, true)
            .contains("key `id` and imports http, and http is refused in stateful")
    );
    assert!(message(None, Some("seen"), true).contains("store `seen` and imports http"));
    assert_eq!(message(Some("id"), Some("seen"), false), "");
    assert_eq!(message(None, None, true), "");
}

#[test]
fn problems_name_the_column_and_the_remedy() {
    let read = |name, ty, nullable| InputPlan { reads: vec![field(name, ty, nullable)], ..own() };
    let write = |name: &str| InputPlan { writes: vec![field(name, WitType::Int64, true)], ..own() };
    let drops = |name: &str| InputPlan { drops: vec![name.to_owned()], ..own() };
    refused(
        read("sped", WitType::Float64, true),
        vec![],
        "reads column `sped`, which stream `s` does not have; did you mean `speed`?",
    );
    refused(read("colour", WitType::Utf8, true), vec![], "use one of `id`, `speed`, `seen_at`, `odd`");
    refused(
        read("id", WitType::Int64, false),
        vec![],
        "reads column `id` as int64, but in stream `s` it is string",
    );
    refused(read("speed", WitType::Float64, false), vec![], "reads column `speed` as not nullable");
    refused(
        read("odd", WitType::Arrow("+s".to_owned()), true),
        vec![],
        "reads column `odd` as arrow type `+s`, a type that",
    );
    refused(write("_offset"), vec![], "writes column `_offset`: names that begin with `_`");
    refused(drops("_key"), vec![], "drops column `_key`: names that begin with `_`");
    refused(
        drops("SPEED"),
        vec![],
        "drops column `SPEED`, which stream `s` does not have; did you mean `speed`?",
    );
    let twice = vec![field("id", WitType::Utf8, false), field("id", WitType::Utf8, false)];
    refused(InputPlan { reads: twice.clone(), ..own() }, vec![], "it reads `id` twice");
    refused(InputPlan { writes: twice, ..own() }, vec![], "it writes `id` twice");
    refused(
        InputPlan { drops: vec!["speed".to_owned()], ..write("speed") },
        vec![],
        "both writes and drops column `speed`",
    );
    refused(
        InputPlan { key: Some(vec!["id".to_owned()]), ..own() },
        vec![],
        "key `id`, which needs world keyed-transform",
    );
}

#[test]
fn outputs_that_continue_the_stream_have_its_columns() {
    let output = |name: &str, ty| vec![Output { name: "s".to_owned(), fields: vec![field(name, ty, true)] }];
    refused(own(), output("new", WitType::Int64), "column `new` is not one of the stream's");
    refused(own(), output("speed", WitType::Int64), "column `speed` is float32 behind this step, and int64");
    let preserving = InputPlan { row_preserving: true, ..own() };
    refused(preserving, output("speed", WitType::Float32), "calls itself row-preserving");
    let plan = checked(own(), output("speed", WitType::Float32)).unwrap();
    assert_eq!((plan.emits[0].target, &plan.emits[0].schema), (Target::Stream, &plan.output));
}

#[test]
fn reads_are_cast_where_nothing_is_lost() {
    let reads = vec![
        field("speed", WitType::Float64, true),
        field("seen_at", WitType::Utf8, false),
        field("id", WitType::Utf8, true),
        field("_partition", WitType::Int64, false),
    ];
    let plan = checked(InputPlan { reads, ..own() }, vec![]).unwrap();
    assert_eq!(plan.reads.iter().map(|read| read.cast).collect::<Vec<_>>(), [true, true, false, true]);
}

#[test]
fn the_output_replaces_in_place_and_adds_before_the_system_columns() {
    let writes = vec![field("new", WitType::Boolean, true), field("speed", WitType::Utf8, true)];
    let plan = checked(InputPlan { writes, drops: vec!["odd".to_owned()], ..own() }, vec![]).unwrap();
    let names: Vec<&str> = plan.output.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names[..5], ["id", "speed", "seen_at", "new", "_topic"]);
    assert_eq!(plan.layout[..4], [Origin::Input(0), Origin::Write(1), Origin::Input(2), Origin::Write(0)]);
    assert_eq!(plan.output.field(1).data_type(), &DataType::Utf8);
    assert_eq!(plan.writes[1].fallback, None, "a column of another type cannot stay as it was");
}
