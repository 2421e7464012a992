//! The ABI's variable-length columns in Rust terms. Bytes come in and go out in Arrow's layout;
//! nothing here knows what they mean.

use crate::Bytes;

/// Packs values that are all there.
pub fn pack<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Bytes {
    let mut bytes = Bytes { offsets: vec![0], data: Vec::new(), valid: None };
    for item in items {
        bytes.data.extend_from_slice(item.as_ref());
        bytes.offsets.push(bytes.data.len() as u32);
    }
    bytes
}

/// Packs values of which an empty one stands for "none": a deletion when it is put.
pub fn pack_unless_empty(items: impl IntoIterator<Item = Vec<u8>>) -> Bytes {
    let items: Vec<Vec<u8>> = items.into_iter().collect();
    let valid = mask(items.iter().map(|item| !item.is_empty()));
    Bytes { valid: Some(valid), ..pack(&items) }
}

/// The value at `index`, none if it is null or absent.
pub fn item(bytes: &Bytes, index: usize) -> Option<&[u8]> {
    let valid = bytes.valid.as_ref().is_none_or(|valid| valid[index / 8] >> (index % 8) & 1 == 1);
    valid.then(|| &bytes.data[bytes.offsets[index] as usize..bytes.offsets[index + 1] as usize])
}

/// A bitmap, least significant bit first.
pub fn mask(bits: impl IntoIterator<Item = bool>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, bit) in bits.into_iter().enumerate() {
        if index % 8 == 0 {
            bytes.push(0);
        }
        bytes[index / 8] |= u8::from(bit) << (index % 8);
    }
    bytes
}

/// Little-endian integers out of a state value.
pub fn integers(value: &[u8]) -> Vec<i64> {
    value.chunks_exact(8).filter_map(|word| word.try_into().ok().map(i64::from_le_bytes)).collect()
}

/// The state value that [`integers`] reads; no integers give no value.
pub fn value(integers: impl IntoIterator<Item = i64>) -> Vec<u8> {
    integers.into_iter().flat_map(i64::to_le_bytes).collect()
}
