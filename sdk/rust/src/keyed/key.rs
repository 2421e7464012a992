//! Keys of state, as bytes and back. A key of one column is its text, or its integer in decimal, so that people can
//! read it; of several, each but the last stands behind its length, so that no two keys are the same bytes:
//! `5:north/a`.

use crate::transform::Row;

/// A row with a key: a [`Row`] of which some fields are marked `#[row(key)]`. Derived with it.
pub trait KeyedRow: Row {
    /// The key: the field's type, or a tuple of several.
    type Key<'a>: Key<'a>;
    /// The columns that make it, in the order of the fields.
    const KEY: &'static [&'static str];
    /// The key of a row.
    fn key(columns: &Self::Columns, row: usize) -> Self::Key<'_>;
}

/// A key of one column or of several.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key of state",
    label = "not a key",
    note = "keys: &str, String, &[u8], Vec<u8>, i32, i64, and tuples of two or three of them; none may be null"
)]
pub trait Key<'a>: Sized {
    /// Appends it as bytes.
    #[doc(hidden)]
    fn encode(&self, bytes: &mut Vec<u8>);
    /// From such bytes; none if they are no key of this type.
    #[doc(hidden)]
    fn decode(bytes: &'a [u8]) -> Option<Self>;
}

/// A key of one column, which is a part of a key of several.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a key of state",
    note = "parts of keys: &str, String, &[u8], Vec<u8>, i32, i64; none may be null"
)]
pub trait KeyPart<'a>: Key<'a> {}

impl<'a> Key<'a> for &'a str {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.as_bytes());
    }
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok()
    }
}

impl Key<'_> for String {
    #[inline]
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.as_bytes());
    }
    #[inline]
    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

impl<'a> Key<'a> for &'a [u8] {
    #[inline]
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self);
    }
    #[inline]
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        Some(bytes)
    }
}

impl Key<'_> for Vec<u8> {
    #[inline]
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self);
    }
    #[inline]
    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl Key<'_> for i32 {
    #[inline]
    fn encode(&self, bytes: &mut Vec<u8>) {
        i64::from(*self).encode(bytes);
    }
    #[inline]
    fn decode(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok()?.parse().ok()
    }
}

impl Key<'_> for i64 {
    #[inline]
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.to_string().as_bytes());
    }
    #[inline]
    fn decode(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok()?.parse().ok()
    }
}

impl<'a> KeyPart<'a> for &'a str {}
impl KeyPart<'_> for String {}
impl<'a> KeyPart<'a> for &'a [u8] {}
impl KeyPart<'_> for Vec<u8> {}
impl KeyPart<'_> for i32 {}
impl KeyPart<'_> for i64 {}

impl<'a, A: KeyPart<'a>, B: KeyPart<'a>> Key<'a> for (A, B) {
    #[inline]
    fn encode(&self, bytes: &mut Vec<u8>) {
        put_part(&self.0, bytes);
        self.1.encode(bytes);
    }
    #[inline]
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (first, rest) = split_part(bytes)?;
        Some((A::decode(first)?, B::decode(rest)?))
    }
}

impl<'a, A: KeyPart<'a>, B: KeyPart<'a>, C: KeyPart<'a>> Key<'a> for (A, B, C) {
    #[inline]
    fn encode(&self, bytes: &mut Vec<u8>) {
        put_part(&self.0, bytes);
        put_part(&self.1, bytes);
        self.2.encode(bytes);
    }
    #[inline]
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (first, rest) = split_part(bytes)?;
        let (second, rest) = split_part(rest)?;
        Some((A::decode(first)?, B::decode(second)?, C::decode(rest)?))
    }
}

#[inline]
fn put_part<'a>(part: &impl KeyPart<'a>, bytes: &mut Vec<u8>) {
    let mut own = Vec::new();
    part.encode(&mut own);
    bytes.extend_from_slice(own.len().to_string().as_bytes());
    bytes.push(b':');
    bytes.append(&mut own);
    bytes.push(b'/');
}

#[inline]
fn split_part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
    let (part, rest) = bytes[colon + 1..].split_at_checked(length)?;
    Some((part, rest.strip_prefix(b"/")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_text_that_comes_back() {
        fn check<'a, K: Key<'a> + PartialEq + std::fmt::Debug>(key: K, text: &'a str) {
            let mut bytes = Vec::new();
            key.encode(&mut bytes);
            assert_eq!(bytes, text.as_bytes());
            assert_eq!(K::decode(text.as_bytes()), Some(key));
        }
        check("a/b", "a/b");
        check(-7_i32, "-7");
        check(("north", "a"), "5:north/a");
        check(("a/", "b"), "2:a//b");
        check(("a", "/b"), "1:a//b");
        check((String::new(), 12_i64, "x"), "0:/2:12/x");
    }

    #[test]
    fn what_is_no_key_is_none() {
        for text in ["", "a", "5:nort", "1:aa/b", "9999999999999999999999:a/b"] {
            assert_eq!(<(&str, &str)>::decode(text.as_bytes()), None, "{text}");
        }
        assert_eq!(i64::decode(b"x"), None);
        assert_eq!(<&str>::decode(&[0xff]), None);
    }
}
