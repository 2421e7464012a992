//! Values of flags, from the text that was typed.

use std::net::SocketAddr;
use std::time::Duration;

use millstream_model::{Clock as _, Offset, OffsetRange, SystemClock};
use millstream_pipeline::config;

pub(super) fn zone(text: &str) -> Result<String, String> {
    config::zone(text)
}

pub(super) fn moment(text: &str) -> Result<i64, String> {
    config::moment(text, SystemClock.now_us())
}

pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    config::listen_address(text)
}

pub(super) fn size(text: &str) -> Result<usize, String> {
    config::size(text)
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    config::duration(text)
}

/// Reads `PARTITION:START..END`, where the end may be left out.
pub(super) fn offsets(text: &str) -> Result<(i32, OffsetRange), String> {
    let expected = || format!("`{text}` is not PARTITION:START..END, such as 0:100..200 or 0:100..");
    let (partition, range) = text.split_once(':').ok_or_else(expected)?;
    let (start, end) = range.split_once("..").ok_or_else(expected)?;
    let number = |text: &str| text.parse::<Offset>().ok().filter(|number| *number >= 0).ok_or_else(expected);
    let (start, end) = (number(start)?, if end.is_empty() { Offset::MAX } else { number(end)? });
    let partition = partition.parse().ok().filter(|number| *number >= 0).ok_or_else(expected)?;
    match start < end {
        true => Ok((partition, OffsetRange::new(start, end))),
        false => Err(format!("`{text}` holds no offset: the end is not part of it")),
    }
}
