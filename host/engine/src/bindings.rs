//! Typed bindings generated from the WIT package: the host traits that `calls` implements and the
//! plugin's exports. Nothing outside the crate sees them.

// Every import that some world has, and the one export that all have: a plugin imports what it uses, so one
// of any world is of this one, too. What only worlds with state export is called by name (`keyed/exports.rs`).
wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package millstream:host;
        world any-plugin {
            include millstream:plugin/transform-with-http@0.1.0;
            import millstream:plugin/clock@0.1.0;
            import millstream:plugin/state@0.1.0;
            import millstream:plugin/timers@0.1.0;
        }
    ",
    imports: { default: trappable },
    additional_derives: [PartialEq],
    with: {
        "millstream:plugin/batches.batch": crate::calls::Batch,
        "millstream:plugin/batches.builder": crate::calls::Builder,
        "millstream:plugin/metrics.counter": crate::calls::Metric,
        "millstream:plugin/metrics.gauge": crate::calls::Metric,
        "millstream:plugin/lookup.table": crate::calls::Table,
        "millstream:plugin/state.store": crate::calls::Store,
    },
});

pub use exports::millstream::plugin::plugin as guest;
pub use millstream::plugin::{batches, clock, http, log, lookup, metrics, state, timers, types};
pub use {AnyPlugin as Transform, AnyPluginPre as TransformPre};
