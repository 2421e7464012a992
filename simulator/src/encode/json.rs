//! Events as JSON: one object on one line, fields in the order of the struct.

use anyhow::{Context, Result};
use serde::Serialize;

/// Appends the event to `payload`.
pub fn write(event: &impl Serialize, payload: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(payload, event).context("cannot write an event as JSON")
}
