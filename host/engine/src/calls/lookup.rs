//! Lookup tables are in the interface and not yet served: plans that name one are refused, so only a
//! plugin that asks for a table without declaring it comes here, and traps.

use wasmtime::Result;
use wasmtime::component::Resource;

use super::{Batch, Breach, Calls};
use crate::bindings::lookup::{Host, HostTable};
use crate::bindings::types::Bytes;

/// A lookup table; there is none.
#[derive(Debug)]
pub enum Table {}

fn not_served() -> wasmtime::Error {
    Breach::contract("asked for a lookup table; this version of millstream has none".to_owned())
}

impl Host for Calls {}

impl HostTable for Calls {
    fn new(&mut self, _: String) -> Result<Resource<Table>> {
        Err(not_served())
    }

    fn get_many(&mut self, _: Resource<Table>, _: Bytes) -> Result<Bytes> {
        Err(not_served())
    }

    fn join(&mut self, _: Resource<Table>, _: Resource<Batch>, _: u32) -> Result<Vec<u8>> {
        Err(not_served())
    }

    fn drop(&mut self, _: Resource<Table>) -> Result<()> {
        Ok(())
    }
}
