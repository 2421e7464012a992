//! What wasmtime generates from the package, and the bitmaps and offsets of its columns.

use wasmtime::{Result, bail};

use crate::row::Value;

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "keyed-transform",
    with: {
        "millstream:plugin/batches.batch": BatchHandle,
        "millstream:plugin/batches.builder": BuilderHandle,
    },
});

pub(crate) use millstream::plugin::types::{Bytes, Error, Int64s};

/// The one batch of the call in hand.
pub struct BatchHandle;
/// A builder, by its index among the call's.
pub struct BuilderHandle;

fn bit(mask: &Option<Vec<u8>>, index: usize) -> bool {
    mask.as_ref().is_none_or(|mask| mask[index / 8] >> (index % 8) & 1 == 1)
}

/// A bitmap as booleans; a wrong length is an error.
pub(crate) fn booleans(mask: Vec<u8>, rows: usize) -> Result<Vec<bool>> {
    if mask.len() != rows.div_ceil(8) {
        bail!("bitmap of {} bytes for {rows} rows", mask.len());
    }
    let mask = Some(mask);
    Ok((0..rows).map(|index| bit(&mask, index)).collect())
}

fn bitmap(bits: impl Iterator<Item = bool>) -> Vec<u8> {
    let bits: Vec<bool> = bits.collect();
    bits.chunks(8)
        .map(|byte| byte.iter().enumerate().fold(0, |byte, (index, bit)| byte | u8::from(*bit) << index))
        .collect()
}

/// Unpacks variable-length values, none where invalid.
pub(crate) fn unpack(bytes: &Bytes) -> Result<Vec<Option<Vec<u8>>>> {
    let rows = bytes.offsets.len().saturating_sub(1);
    if bytes.offsets.first() != Some(&0) || bytes.valid.as_ref().is_some_and(|v| v.len() != rows.div_ceil(8))
    {
        bail!("malformed bytes column");
    }
    let item = |(index, ends): (usize, &[u32])| {
        let Some(value) = bytes.data.get(ends[0] as usize..ends[1] as usize) else {
            bail!("offset out of bounds");
        };
        Ok(bit(&bytes.valid, index).then(|| value.to_vec()))
    };
    bytes.offsets.windows(2).enumerate().map(item).collect()
}

/// Unpacks keys: an invalid one is an error.
pub(crate) fn unpack_keys(keys: &Bytes) -> Result<Vec<Vec<u8>>> {
    let keys: Option<Vec<Vec<u8>>> = unpack(keys)?.into_iter().collect();
    keys.ok_or_else(|| wasmtime::Error::msg("invalid key"))
}

/// Packs values, invalid where none.
pub(crate) fn pack<T: AsRef<[u8]>>(items: &[Option<T>]) -> Bytes {
    let mut bytes =
        Bytes { offsets: vec![0], data: vec![], valid: Some(bitmap(items.iter().map(Option::is_some))) };
    for item in items {
        bytes.data.extend_from_slice(item.as_ref().map_or(&[], AsRef::as_ref));
        bytes.offsets.push(bytes.data.len() as u32);
    }
    bytes
}

/// A column of text.
pub(crate) fn text_column(values: &[Value]) -> Result<Bytes> {
    let text = |value: &Value| match value {
        Value::Text(text) => Ok(Some(text.clone())),
        Value::Null => Ok(None),
        Value::Integer(_) => bail!("not a text column"),
    };
    Ok(pack(&values.iter().map(text).collect::<Result<Vec<_>>>()?))
}

/// A column of integers.
pub(crate) fn integer_column(values: &[Value]) -> Result<Int64s> {
    let integer = |value: &Value| match value {
        Value::Integer(integer) => Ok(*integer),
        Value::Null => Ok(0),
        Value::Text(_) => bail!("not an integer column"),
    };
    let valid = bitmap(values.iter().map(|value| *value != Value::Null));
    Ok(Int64s { values: values.iter().map(integer).collect::<Result<_>>()?, valid: Some(valid) })
}

/// A written column of text; it must be UTF-8.
pub(crate) fn text_values(column: &Bytes) -> Result<Vec<Value>> {
    let text = |item: Option<Vec<u8>>| match item {
        Some(item) => Ok(Value::Text(String::from_utf8(item)?)),
        None => Ok(Value::Null),
    };
    unpack(column)?.into_iter().map(text).collect()
}

/// A written column of integers.
pub(crate) fn integer_values(column: Int64s) -> Vec<Value> {
    let value = |(index, value)| if bit(&column.valid, index) { Value::Integer(value) } else { Value::Null };
    column.values.into_iter().enumerate().map(value).collect()
}
