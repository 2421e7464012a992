//! Tells pictures from what cameras send instead: a snapshot is Base64 (RFC 4648, with padding, no line
//! breaks) of bytes that begin and end as a JPEG does. What is between is not looked at.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Start of image, and the start of the marker that follows it.
const JPEG_START: &[u8] = &[0xff, 0xd8, 0xff];
/// End of image.
const JPEG_END: &[u8] = &[0xff, 0xd9];
/// After a picture larger than this its memory is given back.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// Looks at snapshots, with one buffer for all of them.
#[derive(Clone, Debug, Default)]
pub struct Snapshots {
    bytes: Vec<u8>,
}

impl Snapshots {
    /// True if `text` is a whole JPEG in Base64.
    pub fn is_jpeg(&mut self, text: &str) -> bool {
        self.bytes.clear();
        let decoded = STANDARD.decode_vec(text, &mut self.bytes).is_ok();
        let valid = decoded && self.bytes.starts_with(JPEG_START) && self.bytes.ends_with(JPEG_END);
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
        valid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures() {
        let mut snapshots = Snapshots::default();
        let mut check = |bytes: &[u8], expect| {
            assert_eq!(snapshots.is_jpeg(&STANDARD.encode(bytes)), expect, "{bytes:x?}")
        };
        check(b"\xff\xd8\xff\xe0 a picture \xff\xd9", true);
        check(b"\xff\xd8\xff\xe0 another one, not so long \xff\xd9", true);
        check(b"\xff\xd8\xff\xe0 cut off", false);
        check(b"\x89PNG\r\n\x1a\n \xff\xd9", false);
        check(b"", false);
    }

    #[test]
    fn texts_that_are_none() {
        let whole = STANDARD.encode(b"\xff\xd8\xff\xe0 a picture \xff\xd9");
        let cut = &whole[..whole.len() - 1];
        let broken = whole.replacen('C', "C\n", 1);
        let mut snapshots = Snapshots::default();
        for text in ["Base64EncodedString", "", "/9j/", "é", cut, broken.as_str()] {
            assert!(!snapshots.is_jpeg(text), "{text}");
        }
        assert!(snapshots.is_jpeg(&whole));
    }

    #[test]
    fn memory_of_a_huge_picture_is_given_back() {
        let mut snapshots = Snapshots::default();
        assert!(!snapshots.is_jpeg(&"A".repeat(4 << 20)));
        assert!(snapshots.bytes.capacity() <= KEPT_BYTES_MAX);
    }
}
