//! What a message looks like on the wire. An event goes in as a struct and leaves as bytes in a buffer that is
//! used again; a fault of the device that is one of the bytes, not of the values, is made here.

pub mod json;
mod malformed;
mod misspelt;

use anyhow::Result;
use millstream_simulator::city::Fault;
use serde::Serialize;

/// Appends the event to the empty `payload`, spoilt if the fault says so.
pub fn encode(event: &impl Serialize, fault: Option<Fault>, payload: &mut Vec<u8>) -> Result<()> {
    json::write(event, payload)?;
    match fault {
        Some(Fault::Malformed { variant }) => malformed::spoil(payload, variant.into()),
        Some(Fault::Misspelt { variant }) => misspelt::misspell(payload, variant.into()),
        Some(Fault::Late | Fault::Duplicate | Fault::OutOfOrder | Fault::OutOfRange) | None => {}
    }
    Ok(())
}
