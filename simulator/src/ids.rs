//! Ids for events: UUIDs that follow from a seed and a number, so that the same command makes the same ones.

/// A UUID, version 4 in form, as its 36 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FreshId([u8; 36]);

impl FreshId {
    /// 122 mixed bits; distinct sequence numbers of one seed give distinct ids, for all practical purposes.
    pub fn new(seed: u64, sequence: u64) -> Self {
        let high = mix(mix(seed) ^ sequence);
        let low = mix(high ^ sequence.rotate_left(32));
        let high = high & !0xf000 | 0x4000;
        let low = low & !(0b11 << 62) | 0b10 << 62;
        let bits = u128::from(high) << 64 | u128::from(low);
        let mut text = [b'-'; 36];
        let mut shift = 128;
        for (place, character) in text.iter_mut().enumerate() {
            if !matches!(place, 8 | 13 | 18 | 23) {
                shift -= 4;
                *character = b"0123456789abcdef"[(bits >> shift) as usize & 0xf];
            }
        }
        Self(text)
    }

    /// In lower case, with hyphens.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits and hyphens are UTF-8")
    }
}

/// The output function of SplitMix64 (Steele, Lea, Flood 2014): a bijection whose every output bit depends
/// on every input bit.
pub fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_distinct_reproducible_and_shaped_like_uuids() {
        let ids: HashSet<FreshId> = (0..100_000).map(|sequence| FreshId::new(7, sequence)).collect();
        assert_eq!(ids.len(), 100_000);
        assert!(ids.contains(&FreshId::new(7, 99)) && !ids.contains(&FreshId::new(8, 99)));
        for id in &ids {
            let lengths: Vec<usize> = id.as_str().split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{id:?}");
            let text = id.as_str().as_bytes();
            assert!(text[14] == b'4' && b"89ab".contains(&text[19]), "{id:?}");
        }
    }
}
