//! Bitmaps as Arrow has them: least significant bit first.

/// Bytes of a bitmap of `rows` bits.
pub(crate) fn bytes(rows: usize) -> usize {
    rows.div_ceil(8)
}

#[inline]
pub(crate) fn is_set(bits: &[u8], row: usize) -> bool {
    bits[row >> 3] >> (row & 7) & 1 != 0
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
    if let (Some(last), used @ 1..) = (bits.last_mut(), rows & 7) {
        *last = (1 << used) - 1;
    }
    bits
}

/// Which rows are valid. Costs nothing until the first null.
pub(crate) struct Validity {
    rows: usize,
    bits: Option<Vec<u8>>,
}

impl Validity {
    pub(crate) fn new(rows: usize) -> Self {
        Self { rows, bits: None }
    }

    pub(crate) fn set_null(&mut self, row: usize) {
        clear(self.bits.get_or_insert_with(|| ones(self.rows)), row);
    }

    pub(crate) fn finish(self) -> Option<Vec<u8>> {
        self.bits
    }
}
