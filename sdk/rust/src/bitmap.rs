//! Bitmaps as Arrow has them: least significant bit first.

/// Bytes of a bitmap of `rows` bits.
pub(crate) fn bytes(rows: usize) -> usize {
    rows.div_ceil(8)
}

#[inline]
pub(crate) fn is_set(bits: &[u8], row: usize) -> bool {
    bits[row >> 3] >> (row & 7) & 1 != 0
}

/// A missing bitmap means that every row is valid.
#[inline]
pub(crate) fn is_valid(bits: Option<&[u8]>, row: usize) -> bool {
    bits.is_none_or(|bits| is_set(bits, row))
}

#[inline]
pub(crate) fn set(bits: &mut [u8], row: usize) {
    bits[row >> 3] |= 1 << (row & 7);
}

#[inline]
pub(crate) fn clear(bits: &mut [u8], row: usize) {
    bits[row >> 3] &= !(1 << (row & 7));
}

/// A bitmap of `rows` set bits; the bits behind the last row are zero.
pub(crate) fn ones(rows: usize) -> Vec<u8> {
    let mut bits = vec![0xff; bytes(rows)];
    clear_rest(&mut bits, rows);
    bits
}

/// Clears the bits behind the last row.
fn clear_rest(bits: &mut [u8], rows: usize) {
    if let (Some(last), used @ 1..) = (bits.last_mut(), rows & 7) {
        *last &= (1 << used) - 1;
    }
}

/// Which rows are valid. Costs nothing until the first null, and need not know how many rows will come.
#[derive(Default)]
pub(crate) struct Validity {
    bits: Option<Vec<u8>>,
}

impl Validity {
    /// Rows that are set come in rising order.
    pub(crate) fn set_null(&mut self, row: usize) {
        let bits = self.bits.get_or_insert_default();
        bits.resize(bytes(row + 1), 0xff);
        clear(bits, row);
    }

    /// The bitmap of `rows` rows, or none if all are valid.
    pub(crate) fn finish(self, rows: usize) -> Option<Vec<u8>> {
        let mut bits = self.bits?;
        bits.resize(bytes(rows), 0xff);
        clear_rest(&mut bits, rows);
        Some(bits)
    }
}
