//! Numbers of a message: conversion between the parser's kinds and those of columns, texts that
//! hold exactly a JSON number, and a check of what the parser lets pass. Nothing here knows columns.

use simd_json::StaticNode;

/// A number as the message states it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    /// Below zero or within `i64`.
    Signed(i64),
    /// A natural number.
    Unsigned(u64),
    /// With a fraction or an exponent, or beyond `u64`.
    Float(f64),
}

/// Why a number is not the integer a column wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAnInteger {
    /// It has a fraction.
    Fraction,
    /// It is beyond `i64`.
    OutOfRange,
}

impl Number {
    /// The number of a parsed value, if it is one.
    pub fn of(value: StaticNode) -> Option<Self> {
        match value {
            StaticNode::I64(number) => Some(Self::Signed(number)),
            StaticNode::U64(number) => Some(Self::Unsigned(number)),
            StaticNode::F64(number) => Some(Self::Float(number)),
            StaticNode::Bool(_) | StaticNode::Null => None,
        }
    }

    /// The number that `text` is, if it is exactly one by JSON's grammar. One beyond `f64` is infinite.
    pub fn parse(text: &str) -> Option<Self> {
        if grammar(text.as_bytes()) != Some(text.len()) {
            return None;
        }
        let whole = !text.contains(['.', 'e', 'E']);
        let signed = || text.parse().ok().map(Self::Signed);
        let unsigned = || text.parse().ok().map(Self::Unsigned);
        let float = || text.parse().ok().map(Self::Float);
        if whole { signed().or_else(unsigned).or_else(float) } else { float() }
    }

    /// The number as an integer, if it is one: `3.0` is.
    pub fn to_i64(self) -> Result<i64, NotAnInteger> {
        match self {
            Self::Signed(number) => Ok(number),
            Self::Unsigned(number) => i64::try_from(number).map_err(|_| NotAnInteger::OutOfRange),
            // 2^63 itself is out of range, its negative is not.
            Self::Float(number) if !(-(2f64.powi(63))..2f64.powi(63)).contains(&number) => {
                Err(NotAnInteger::OutOfRange)
            }
            Self::Float(number) if number.fract() != 0.0 => Err(NotAnInteger::Fraction),
            Self::Float(number) => Ok(number as i64),
        }
    }

    /// The nearest `f64`.
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Signed(number) => number as f64,
            Self::Unsigned(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

/// Length of the JSON number that `text` begins with.
fn grammar(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && text[at] == b'0') {
        return None;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        at += 1 + fraction;
        if fraction == 0 {
            return None;
        }
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at);
        at += exponent;
        if exponent == 0 {
            return None;
        }
    }
    Some(at)
}

/// A run of this many digits is where the parser stops to be exact.
const LONG_DIGITS: usize = 9;

/// Finds numbers that simd-json 0.17 reads wrongly, in a message that it accepted: behind 19 digits
/// it does not look at what follows (`12345678901234567890x`), and an exponent of ten digits wraps
/// round (`1e4294967297` becomes 10). Both need a run of nine digits, so only such runs are looked at.
pub(super) fn misread(message: &[u8]) -> Option<&'static str> {
    let (blocks, rest) = message.as_chunks::<64>();
    let mut last = [0; 64];
    last[..rest.len()].copy_from_slice(rest);
    let mut before = 0;
    for (number, block) in blocks.iter().chain([&last]).enumerate() {
        let digits = digit_mask(block);
        // Bit 64 + i is set if byte i of the block and the eight before it are digits.
        let run = u128::from(digits) << 64 | u128::from(before);
        let long = run & run << 1;
        let long = long & long << 2;
        let long = long & long << 4 & run << 8;
        let mut ninths = ((long & !(long << 1)) >> 64) as u64;
        while ninths != 0 {
            if is_suspicious(message, number * 64 + ninths.trailing_zeros() as usize) {
                return check_all(message);
            }
            ninths &= ninths - 1;
        }
        before = digits;
    }
    None
}

/// Bit i is set if byte i of `block` is a digit; eight bytes at a time.
fn digit_mask(block: &[u8; 64]) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Brings the lowest bits of eight bytes together in the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let mut mask = 0;
    for word in block.as_chunks::<8>().0.iter().rev() {
        let value = u64::from_le_bytes(*word) ^ (EACH * 0x30);
        let not_digits = (((value & (EACH * 0x7f)) + EACH * 0x76) | value) & (EACH * 0x80);
        mask = mask << 8 | ((not_digits ^ (EACH * 0x80)) >> 7).wrapping_mul(GATHER) >> 56;
    }
    mask
}

/// True if the run of digits whose ninth is at `ninth` may be an exponent, or does not end as a number does.
fn is_suspicious(message: &[u8], ninth: usize) -> bool {
    let before = ninth.checked_sub(LONG_DIGITS).map(|at| message[at]);
    let behind = message[ninth..].iter().find(|byte| !byte.is_ascii_digit());
    let ends = matches!(behind, Some(b',' | b'}' | b']' | b' ' | b'"' | b'\n' | b'\r' | b'\t'));
    !ends || matches!(before, Some(b'e' | b'E' | b'+' | b'-'))
}

/// Checks every number of a message that is JSON but for its numbers.
#[cold]
fn check_all(message: &[u8]) -> Option<&'static str> {
    let mut at = 0;
    while let Some(byte) = message.get(at) {
        match byte {
            b'"' => at += string_length(&message[at..]),
            b'-' | b'0'..=b'9' => {
                let Some(length) = grammar(&message[at..]) else { return Some("invalid number") };
                let number = &message[at..at + length];
                at += length;
                if !matches!(message.get(at), None | Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
                {
                    return Some("invalid number");
                }
                if exponent_digits(number) > LONG_DIGITS {
                    return Some("number out of range");
                }
            }
            _ => at += 1,
        }
    }
    None
}

fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

fn exponent_digits(number: &[u8]) -> usize {
    let Some(mark) = number.iter().position(|byte| matches!(byte, b'e' | b'E')) else { return 0 };
    let digits = number[mark..].iter().skip_while(|byte| !matches!(byte, b'1'..=b'9'));
    digits.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_exactly_json_numbers() {
        for (text, expect) in [
            ("2023", Some(Number::Signed(2023))),
            ("-0", Some(Number::Signed(0))),
            ("18446744073709551615", Some(Number::Unsigned(u64::MAX))),
            ("18446744073709551616", Some(Number::Float(18_446_744_073_709_551_616.0))),
            ("1.5e3", Some(Number::Float(1500.0))),
            ("1e999", Some(Number::Float(f64::INFINITY))),
            ("", None),
            (" 1", None),
            ("1 ", None),
            ("+1", None),
            ("01", None),
            ("1.", None),
            (".5", None),
            ("1e", None),
            ("0x10", None),
            ("NaN", None),
            ("1_000", None),
            ("１", None),
        ] {
            assert_eq!(Number::parse(text), expect, "{text}");
        }
    }

    #[test]
    fn makes_integers_of_whole_numbers_only() {
        for (number, expect) in [
            (3.0, Ok(3)),
            (-0.0, Ok(0)),
            (3.5, Err(NotAnInteger::Fraction)),
            (9_223_372_036_854_775_808.0, Err(NotAnInteger::OutOfRange)),
            (-9_223_372_036_854_775_808.0, Ok(i64::MIN)),
            (f64::INFINITY, Err(NotAnInteger::OutOfRange)),
        ] {
            assert_eq!(Number::Float(number).to_i64(), expect, "{number}");
        }
        assert_eq!(Number::Unsigned(u64::MAX).to_i64(), Err(NotAnInteger::OutOfRange));
    }

    #[test]
    fn finds_what_the_parser_misreads() {
        for (message, expect) in [
            (r#"{"a":12345678901234567890x}"#, Some("invalid number")),
            (r#"{"a":123456789012345678x}"#, Some("invalid number")),
            (r#"{"a":1.2345678901234567890x}"#, Some("invalid number")),
            (r#"{"a":1e4294967297}"#, Some("number out of range")),
            (r#"{"a":1e-4294967297}"#, Some("number out of range")),
            (r#"{"a":1e0000000000000000001}"#, None),
            (r#"{"a":"1e4294967297 \" 12345678901234567890x"}"#, None),
            (r#"{"a":51.51732742679845,"b":1.2345678901234567e-05}"#, None),
        ] {
            for blanks in 0..130 {
                let message = format!("{}{message}", " ".repeat(blanks));
                assert_eq!(misread(message.as_bytes()), expect, "{message}");
            }
        }
    }

    #[test]
    fn marks_digits() {
        let bytes: Vec<u8> = (0..=255).collect();
        for (number, block) in bytes.as_chunks().0.iter().enumerate() {
            let expect = if number == 0 { 0x3ff << 0x30 } else { 0 };
            assert_eq!(digit_mask(block), expect, "{block:?}");
        }
        for at in 0..64 {
            let mut block = [b'x'; 64];
            block[at] = b'7';
            assert_eq!(digit_mask(&block), 1 << at);
        }
    }
}
