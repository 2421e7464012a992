// The column types: how the buffers of the ABI become an array of JavaScript values, and an array becomes buffers.
// A column comes as a typed array where its values are numbers and none is null, else as an array with null in it.
// What is written is checked value by value, unless it is a typed array of the right kind. Nothing here knows batches.

import * as bitmap from './bitmap.js';

/** A value that is not of its column's type. */
export class TypeMismatch extends TypeError {}

// A byte order mark is a character like others: a text must come back as it went.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * A column type.
 *
 * @typedef {object} Type
 * @property {object} ty the type in the plan
 * @property {string} suffix of the ABI's functions: `Float64` of `readFloat64` and `writeFloat64`
 * @property {string} takes what may be written, for messages
 * @property {unknown} filler stands where a row does not go on
 * @property {(buffers: object) => ArrayLike<unknown>} decode
 * @property {(values: ArrayLike<unknown>) => object} encode throws {@link TypeMismatch}
 */

const isNumber = (value) => typeof value === 'number';
const isInt32 = (value) => typeof value === 'number' && value === (value | 0);
const isInt64 = (value) => typeof value === 'bigint' && BigInt.asIntN(64, value) === value;

function numbers(ty, suffix, array, takes, accepts, filler = 0) {
  const type = { ty, suffix, takes, filler };
  type.decode = ({ values, valid }) => (valid ? bitmap.putNulls(Array.from(values), valid) : values);
  type.encode = (values) => {
    if (values instanceof array) return { values };
    const valid = bitmap.validity(values);
    checkAll(values, accepts, takes);
    return { values: new array(valid ? withFiller(values, filler) : values), valid };
  };
  return type;
}

function checkAll(values, accepts, takes) {
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (!accepts(value) && value !== null) throw mismatch(value, takes);
  }
}

function mismatch(value, takes) {
  if (value === undefined) return new TypeMismatch(`takes ${takes}, and was not set`);
  const shown = typeof value === 'bigint' ? `${value}n` : typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value);
  return new TypeMismatch(`takes ${takes}, not ${shown}`);
}

const withFiller = (values, filler) => values.map((value) => (value === null ? filler : value));

export const int32 = numbers({ tag: 'int32' }, 'Int32', Int32Array, 'an integer of 32 bits', isInt32);
export const float32 = numbers({ tag: 'float32' }, 'Float32', Float32Array, 'a number', isNumber);
export const float64 = numbers({ tag: 'float64' }, 'Float64', Float64Array, 'a number', isNumber);
export const date = numbers({ tag: 'date' }, 'Int32', Int32Array, 'a whole number of days since 1970-01-01', isInt32);

const int64Like = (ty) => numbers(ty, 'Int64', BigInt64Array, 'a bigint of 64 bits', isInt64, 0n);

export const int64 = int64Like({ tag: 'int64' });
export const timestamp = int64Like({ tag: 'timestamp', val: { unit: 'micro', utc: true } });
export const localTimestamp = int64Like({ tag: 'timestamp', val: { unit: 'micro', utc: false } });

/** The same column with numbers for bigints: what no number holds exactly is refused. */
export function asNumbers({ ty, suffix }) {
  const takes = 'an integer that a number holds exactly';
  const type = { ty, suffix, takes, filler: 0 };
  type.decode = ({ values, valid }) => {
    const decoded = exactNumbers(values);
    return valid ? bitmap.putNulls(decoded, valid) : decoded;
  };
  type.encode = (values) => {
    const valid = bitmap.validity(values);
    checkAll(values, Number.isSafeInteger, takes);
    return { values: toInt64s(values), valid };
  };
  return type;
}

/** By halves of 32 bits, little-endian: without a bigint for each value. */
function exactNumbers(values) {
  const [low, high] = [new Uint32Array(values.buffer, values.byteOffset), new Int32Array(values.buffer, values.byteOffset)];
  const decoded = new Array(values.length);
  for (let row = 0; row < values.length; row++) {
    const value = high[2 * row + 1] * 4294967296 + low[2 * row];
    if (!Number.isSafeInteger(value)) throw new TypeMismatch(`holds ${values[row]}, which no number holds exactly: leave \`asNumber\` out`);
    decoded[row] = value;
  }
  return decoded;
}

function toInt64s(values) {
  const encoded = new BigInt64Array(values.length);
  const halves = new Int32Array(encoded.buffer);
  for (let row = 0; row < values.length; row++) {
    halves[2 * row] = values[row];
    halves[2 * row + 1] = Math.floor(values[row] / 4294967296);
  }
  return encoded;
}

export const boolean = {
  ty: { tag: 'boolean' }, suffix: 'Bool', takes: 'true or false', filler: false,
  decode({ values, valid }, rows) {
    const decoded = new Array(rows);
    for (let row = 0; row < rows; row++) decoded[row] = bitmap.isSet(values, row);
    return valid ? bitmap.putNulls(decoded, valid) : decoded;
  },
  encode(values) {
    checkAll(values, (value) => value === true || value === false, this.takes);
    const bits = new Uint8Array((values.length + 7) >> 3);
    for (let row = 0; row < values.length; row++) if (values[row]) bitmap.set(bits, row);
    return { values: bits, valid: bitmap.validity(values) };
  },
};

export const text = {
  ty: { tag: 'utf8' }, suffix: 'Bytes', takes: 'a string', filler: '',
  decode({ offsets, data, valid }) {
    const decoded = new Array(offsets.length - 1);
    let begin = 0;
    for (let row = 0; row < decoded.length; row++) {
      const end = offsets[row + 1];
      decoded[row] = begin === end ? '' : decoder.decode(data.subarray(begin, end));
      begin = end;
    }
    return valid ? bitmap.putNulls(decoded, valid) : decoded;
  },
  encode(values) {
    const offsets = new Uint32Array(values.length + 1);
    let end = 0;
    for (let row = 0; row < values.length; row++) {
      const value = values[row];
      if (typeof value === 'string') end += value.length;
      else if (value !== null) throw mismatch(value, this.takes);
      offsets[row + 1] = end;
    }
    const valid = bitmap.validity(values);
    const data = encoder.encode(values.join(''));
    // As many bytes as characters: all are ASCII, and offsets of characters are offsets of bytes.
    return end === data.length ? { offsets, data, valid } : { ...slices(values.map(encodeText), Uint8Array, 'data'), valid };
  },
};

const NOTHING = new Uint8Array(0);
const encodeText = (value) => (value === null ? NOTHING : encoder.encode(value));

/** Arrays laid one behind the other, with the offsets between them. */
function slices(arrays, Array, name) {
  const offsets = new Uint32Array(arrays.length + 1);
  for (let row = 0; row < arrays.length; row++) offsets[row + 1] = offsets[row] + arrays[row].length;
  const values = new Array(offsets[arrays.length]);
  for (let row = 0; row < arrays.length; row++) values.set(arrays[row], offsets[row]);
  return { offsets, [name]: values };
}

export const binary = {
  ty: { tag: 'binary' }, suffix: 'Bytes', takes: 'a Uint8Array', filler: NOTHING,
  decode: ({ offsets, data, valid }) => cut(offsets, data, valid),
  encode(values) {
    checkAll(values, (value) => value instanceof Uint8Array, this.takes);
    return { ...slices(withFiller(values, NOTHING), Uint8Array, 'data'), valid: bitmap.validity(values) };
  },
};

export const float64List = {
  ty: { tag: 'float64-list' }, suffix: 'Float64List', takes: 'a Float64Array or an array of numbers', filler: [],
  decode: ({ offsets, values, valid }) => cut(offsets, values, valid),
  encode(values) {
    const isList = (value) => value instanceof Float64Array || (Array.isArray(value) && value.every(isNumber));
    checkAll(values, isList, this.takes);
    return { ...slices(withFiller(values, NOTHING), Float64Array, 'values'), valid: bitmap.validity(values) };
  },
};

/** Each row's own part of `values`, without copying it. */
function cut(offsets, values, valid) {
  const decoded = new Array(offsets.length - 1);
  for (let row = 0; row < decoded.length; row++) decoded[row] = values.subarray(offsets[row], offsets[row + 1]);
  return valid ? bitmap.putNulls(decoded, valid) : decoded;
}
