"""Bitmaps of the ABI (Arrow's: bit 0 first) as one byte for each row, and back. They know nothing of columns."""

_UNPACKED = [bytes(byte >> bit & 1 for bit in range(8)) for byte in range(256)]
_DIGITS = bytes.maketrans(b"\0\1", b"01")


def unpack(bits: bytes, rows: int) -> bytes:
    """One byte for each of `rows` rows: 1 where its bit is set, else 0."""
    return b"".join(map(_UNPACKED.__getitem__, bits))[:rows]


def pack(flags: bytes) -> bytes:
    """The bitmap of rows that are each 1 or 0; ceil(rows/8) bytes.

    Raises ValueError where a row is anything else.
    """
    digits = flags[::-1].translate(_DIGITS)
    return int(digits or b"0", 2).to_bytes((len(flags) + 7) // 8, "little")
