//! Engines for steps with another stack than the default: wasmtime fixes the stack with the engine, so there
//! is one for each size, made when the first step asks for it. Compiled code goes over as it is; nothing is
//! compiled twice. The sizes are powers of two within narrow bounds, so there are few engines.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime::component::{Component, Linker};

use crate::bindings::TransformPre;
use crate::calls::Calls;
use crate::engine::{linker, wasmtime_engine};

/// The engines made so far, by the size of their stack. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Stacks {
    engines: Arc<Mutex<BTreeMap<usize, Linker<Calls>>>>,
}

impl Stacks {
    /// Lets time pass in all engines.
    pub(crate) fn increment_epoch(&self) {
        for linker in self.lock().values() {
            linker.engine().increment_epoch();
        }
    }

    /// `transform`, which is of another engine, with a stack of `stack_bytes`.
    pub(crate) fn with(
        &self,
        stack_bytes: usize,
        transform: &TransformPre<Calls>,
    ) -> wasmtime::Result<TransformPre<Calls>> {
        let linker = self.linker(stack_bytes)?;
        let compiled = transform.instance_pre().component().serialize()?;
        // SAFETY: the bytes come from `Component::serialize` this moment, of an engine whose settings differ
        // in the stack alone, which is no part of compiled code.
        let component = unsafe { Component::deserialize(linker.engine(), compiled)? };
        TransformPre::new(linker.instantiate_pre(&component)?)
    }

    fn linker(&self, stack_bytes: usize) -> wasmtime::Result<Linker<Calls>> {
        let mut engines = self.lock();
        if let Some(linker) = engines.get(&stack_bytes) {
            return Ok(linker.clone());
        }
        let engine = wasmtime_engine(stack_bytes, None).map_err(wasmtime::Error::msg)?;
        let linker = linker(&engine)?;
        engines.insert(stack_bytes, linker.clone());
        Ok(linker)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Linker<Calls>>> {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
