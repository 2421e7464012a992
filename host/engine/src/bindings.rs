//! Typed bindings generated from the WIT package: the host traits that `calls` implements and the
//! plugin's exports. Nothing outside the crate sees them.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "transform-with-http",
    imports: { default: trappable },
    additional_derives: [PartialEq],
    with: {
        "millstream:plugin/batches.batch": crate::calls::Batch,
        "millstream:plugin/batches.builder": crate::calls::Builder,
        "millstream:plugin/metrics.counter": crate::calls::Metric,
        "millstream:plugin/metrics.gauge": crate::calls::Metric,
        "millstream:plugin/lookup.table": crate::calls::Table,
    },
});

pub use exports::millstream::plugin::plugin as guest;
pub use millstream::plugin::{batches, http, log, lookup, metrics, types};
/// A plugin imports what it uses, so one of world `transform` is of this world too.
pub use {TransformWithHttp as Transform, TransformWithHttpPre as TransformPre};
