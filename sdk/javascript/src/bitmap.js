// Bitmaps of the ABI: least significant bit first, ceil(rows / 8) bytes.

/** A bitmap of `rows` bits, all set. */
export function ones(rows) {
  const bits = new Uint8Array((rows + 7) >> 3).fill(0xff);
  if (rows & 7) bits[bits.length - 1] = (1 << (rows & 7)) - 1;
  return bits;
}

export const isSet = (bits, row) => ((bits[row >> 3] >> (row & 7)) & 1) === 1;

export function set(bits, row) {
  bits[row >> 3] |= 1 << (row & 7);
}

export function clear(bits, row) {
  bits[row >> 3] &= ~(1 << (row & 7));
}

/** Puts null into every row of `values` whose bit is not set. */
export function putNulls(values, valid) {
  for (let byte = 0; byte < valid.length; byte++) {
    if (valid[byte] === 0xff) continue;
    const end = Math.min(values.length, (byte + 1) << 3);
    for (let row = byte << 3; row < end; row++) {
      if (!isSet(valid, row)) values[row] = null;
    }
  }
  return values;
}

/** A bitmap of `rows` bits, all set but those of some rows; nothing if there are none of these. */
export function without(unset, rows) {
  if (unset.length === 0) return undefined;
  const bits = ones(rows);
  for (const row of unset) clear(bits, row);
  return bits;
}
