//! Links the imports that the proof's guests use to the call in hand. An import that is missing here
//! makes instantiation fail, with its name.

use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};

use crate::bindings::{self, BatchHandle, BuilderHandle, Bytes, Int64s};
use crate::context::Context;

type Cx<'a> = StoreContextMut<'a, Context>;
type BatchRef = Resource<BatchHandle>;
type BuilderRef = Resource<BuilderHandle>;
type StoreRef = Resource<StoreHandle>;

/// A store of the plan, by its index.
struct StoreHandle;

pub(crate) fn link(linker: &mut Linker<Context>) -> Result<()> {
    link_batches(linker)?;
    link_builders(linker)?;
    link_state(linker)?;
    link_time(linker)
}

fn link_batches(linker: &mut Linker<Context>) -> Result<()> {
    let mut batches = linker.instance("millstream:plugin/batches@0.1.0")?;
    batches.resource("batch", ResourceType::host::<BatchHandle>(), |_, _| Ok(()))?;
    batches.func_wrap("[method]batch.rows", |mut cx: Cx, (_,): (BatchRef,)| Ok((cx.data_mut().rows()?,)))?;
    batches.func_wrap("[method]batch.read-int64", |mut cx: Cx, (_, column): (BatchRef, u32)| {
        Ok((cx.data_mut().integers(column)?,))
    })?;
    batches.func_wrap("[method]batch.read-bytes", |mut cx: Cx, (_, column): (BatchRef, u32)| {
        Ok((cx.data_mut().texts(column)?,))
    })?;
    batches.func_wrap("[method]batch.keep", |mut cx: Cx, (_, mask): (BatchRef, Vec<u8>)| {
        cx.data_mut().keep(mask)
    })?;
    batches
        .func_wrap("[method]batch.reject", |mut cx: Cx, (_, rows, reason): (BatchRef, Vec<u32>, String)| {
            cx.data_mut().reject(rows, reason)
        })
}

fn link_builders(linker: &mut Linker<Context>) -> Result<()> {
    let mut batches = linker.instance("millstream:plugin/batches@0.1.0")?;
    batches.resource("builder", ResourceType::host::<BuilderHandle>(), |_, _| Ok(()))?;
    batches.func_wrap("[constructor]builder", |mut cx: Cx, (output, rows): (u32, u32)| {
        Ok((BuilderRef::new_own(cx.data_mut().new_builder(output, rows)?),))
    })?;
    batches.func_wrap(
        "[method]builder.gather",
        |mut cx: Cx, (builder, _, parents): (BuilderRef, BatchRef, Vec<u32>)| {
            cx.data_mut().parents(builder.rep(), parents, false)
        },
    )?;
    batches.func_wrap(
        "[method]builder.write-int64",
        |mut cx: Cx, (builder, column, values): (BuilderRef, u32, Int64s)| {
            cx.data_mut().write(builder.rep(), column, bindings::integer_values(values))
        },
    )?;
    batches.func_wrap(
        "[method]builder.write-bytes",
        |mut cx: Cx, (builder, column, values): (BuilderRef, u32, Bytes)| {
            cx.data_mut().write(builder.rep(), column, bindings::text_values(&values)?)
        },
    )?;
    batches.func_wrap("emit", |mut cx: Cx, (builder,): (BuilderRef,)| cx.data_mut().emit(builder.rep()))
}

fn link_state(linker: &mut Linker<Context>) -> Result<()> {
    let mut state = linker.instance("millstream:plugin/state@0.1.0")?;
    state.resource("store", ResourceType::host::<StoreHandle>(), |_, _| Ok(()))?;
    state.func_wrap("[constructor]store", |mut cx: Cx, (name,): (String,)| {
        Ok((StoreRef::new_own(cx.data_mut().open_store(&name)?),))
    })?;
    state.func_wrap("[method]store.get-many", |mut cx: Cx, (store, keys): (StoreRef, Bytes)| {
        Ok((cx.data_mut().get_many(store.rep(), &keys)?,))
    })?;
    state.func_wrap(
        "[method]store.put-many",
        |mut cx: Cx, (store, keys, values): (StoreRef, Bytes, Bytes)| {
            cx.data_mut().put_many(store.rep(), &keys, &values)
        },
    )
}

fn link_time(linker: &mut Linker<Context>) -> Result<()> {
    let mut clock = linker.instance("millstream:plugin/clock@0.1.0")?;
    clock.func_wrap("watermark-micros", |mut cx: Cx, (): ()| Ok((cx.data_mut().watermark()?,)))?;
    let mut timers = linker.instance("millstream:plugin/timers@0.1.0")?;
    timers.func_wrap("set-many", |mut cx: Cx, (keys, micros): (Bytes, Vec<i64>)| {
        cx.data_mut().set_timers(&keys, micros, true)
    })?;
    timers.func_wrap("cancel-many", |mut cx: Cx, (keys, micros): (Bytes, Vec<i64>)| {
        cx.data_mut().set_timers(&keys, micros, false)
    })?;
    timers.func_wrap("attribute", |mut cx: Cx, (builder, fired): (BuilderRef, Vec<u32>)| {
        cx.data_mut().parents(builder.rep(), fired, true)
    })
}
