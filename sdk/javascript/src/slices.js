// Values of variable length as the ABI has them: laid one behind the other, with the offsets between them. Texts are
// decoded and encoded all at once, with a separator between them that no text has: of what is done for each of them, the
// engine's interpreter sees no more than a call or two.

// A byte order mark is a character like others: a text must come back as it went.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();
const [SEPARATOR, SEPARATOR_BYTE] = ['\0', 0];

/** The texts of a column. */
export function decodeTexts({ offsets, data }) {
  const rows = offsets.length - 1;
  if (rows === 0) return [];
  if (data.includes(SEPARATOR_BYTE)) return decodeEach(offsets, data);
  const separated = new Uint8Array(data.length + rows - 1);
  separated.set(data);
  // From the last text to the first, each moves by the separators before it; bytes between them may be left of others.
  for (let row = rows - 1; row > 0; row--) {
    const begin = offsets[row];
    separated.copyWithin(begin + row, begin, offsets[row + 1]);
    separated[begin + row - 1] = SEPARATOR_BYTE;
  }
  return decoder.decode(separated).split(SEPARATOR);
}

function decodeEach(offsets, data) {
  const texts = new Array(offsets.length - 1);
  for (let row = 0; row < texts.length; row++) texts[row] = decoder.decode(data.subarray(offsets[row], offsets[row + 1]));
  return texts;
}

/** The buffers of texts. */
export function encodeTexts(texts) {
  const joined = texts.join('');
  const data = encoder.encode(joined);
  // As many bytes as characters: all are ASCII, and offsets of characters are offsets of bytes.
  if (data.length === joined.length) return { offsets: offsetsOf(texts), data };
  if (joined.includes(SEPARATOR)) return slices(texts.map((text) => encoder.encode(text)), Uint8Array, 'data');
  return encodeSeparated(texts);
}

/** Where each of the values begins, and where the last one ends. */
export function offsetsOf(values) {
  const offsets = new Uint32Array(values.length + 1);
  let end = 0;
  for (let row = 0; row < values.length; row++) {
    end += values[row].length;
    offsets[row + 1] = end;
  }
  return offsets;
}

/** The separators say where each text ends in bytes, and are then closed up. */
function encodeSeparated(texts) {
  const data = encoder.encode(texts.join(SEPARATOR) + SEPARATOR);
  const offsets = new Uint32Array(texts.length + 1);
  let begin = 0;
  for (let row = 0; row < texts.length; row++) {
    const end = data.indexOf(SEPARATOR_BYTE, begin);
    data.copyWithin(begin - row, begin, end);
    offsets[row + 1] = end - row;
    begin = end + 1;
  }
  return { offsets, data: data.subarray(0, offsets[texts.length]) };
}

/** Arrays of one kind, laid one behind the other under `name`. */
export function slices(arrays, Array, name) {
  const offsets = offsetsOf(arrays);
  const values = new Array(offsets[arrays.length]);
  for (let row = 0; row < arrays.length; row++) values.set(arrays[row], offsets[row]);
  return { offsets, [name]: values };
}
