// The column types: how the buffers of the ABI become JavaScript values, and values become buffers. The engine is an
// interpreter, so what can be done for a whole column in one call of the engine's own is done so, and what is left for each
// value is source text that the loops (rows.js) have in them, not a call. Nothing here knows batches.

import * as bitmap from './bitmap.js';
import { decodeTexts, encodeTexts, offsetsOf, slices } from './slices.js';

/** A value that is not of its column's type. */
export class TypeMismatch extends TypeError {}

/**
 * A column type.
 *
 * @typedef {object} Type
 * @property {object} ty the type in the plan
 * @property {string} suffix of the ABI's functions: `Float64` of `readFloat64` and `writeFloat64`
 * @property {string} takes what may be written, for messages
 * @property {unknown} filler stands where a row does not go on
 * @property {Function} [array] a typed array of these values is a column as it is
 * @property {(buffers: object, rows: number) => ArrayLike<unknown>} values anything where they are null
 * @property {(rows: number) => object} target what values are put into, with something harmless everywhere
 * @property {(target: string) => string} put source: puts `value` into row `i` of the target, and is false if it is none
 * of the type
 * @property {(target: object, rows: number) => object} buffers of a target, without the validity
 * @property {(values: ArrayLike<unknown>, writer: ColumnWriter) => void} fill puts all values
 */

/** The values of a column: a typed array where they are numbers and none is null, else an array with null in it. */
export function decode(type, buffers, rows) {
  const values = type.values(buffers, rows);
  if (!buffers.valid) return values;
  return bitmap.putNulls(ArrayBuffer.isView(values) ? Array.from(values) : values, buffers.valid);
}

/** What a column is written to, value by value: the loops put into `target`, and note the rows that are null. */
export class ColumnWriter {
  #type;
  #rows;
  nulls = [];

  constructor(type, rows) {
    this.#type = type;
    this.#rows = rows;
    this.target = type.target(rows);
  }

  buffers() {
    return { ...this.#type.buffers(this.target, this.#rows), valid: bitmap.without(this.nulls, this.#rows) };
  }
}

/** The buffers of values. @throws {TypeMismatch} */
export function encode(type, values) {
  if (type.array && values instanceof type.array) return { values };
  const writer = new ColumnWriter(type, values.length);
  type.fill(values, writer);
  return writer.buffers();
}

/** What is wrong with a value that is none of the type. */
export function mismatch(value, { takes }) {
  if (value === undefined) return new TypeMismatch(`takes ${takes}, and was not set`);
  return new TypeMismatch(`takes ${takes}, not ${shown(value)}`);
}

const ITEMS_SHOWN = 8;

function shown(value) {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  if (!Array.isArray(value)) return String(value);
  // Not as JSON: that has null for what is undefined, and nothing for a bigint.
  const items = Array.from(value.slice(0, ITEMS_SHOWN), (item) => (Array.isArray(item) ? 'an array' : shown(item)));
  return `[${[...items, ...(value.length > ITEMS_SHOWN ? ['…'] : [])].join(', ')}]`;
}

/** A type with the loop over all values of a column, made of the source for one. */
function columnType(type) {
  const fill = new Function('values', 'target', 'nulls', 'wrong', `'use strict';
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (${type.put('target')}) continue;
      if (value !== null) wrong(value);
      nulls.push(i);
    }`);
  const wrong = (value) => {
    throw mismatch(value, type);
  };
  return { ...type, fill: (values, { target, nulls }) => fill(values, target, nulls, wrong) };
}

/** A view of an array that the bindings made: they live in another realm, and their `Uint8Array` is not the author's. */
const own = (array, { buffer, byteOffset, length }) => new array(buffer, byteOffset, length);

/** Source: puts `value` where it is known to fit, if the condition holds. */
const putIf = (condition) => (target) => `${condition} && ((${target}[i] = value), true)`;

/** Source: true if `value` is an array and the condition holds for no `item`; `every` and `some` pass over holes. */
const isArrayWithout = (condition) => `(Array.isArray(value) && value.findIndex((item) => ${condition}) < 0)`;

function numbers(ty, suffix, array, takes, put, filler = 0) {
  return columnType({
    ty, suffix, takes, filler, array, put,
    values: ({ values }) => own(array, values),
    target: (rows) => new array(rows),
    buffers: (values) => ({ values }),
  });
}

const putNumber = putIf("typeof value === 'number'");
const putInt32 = putIf("typeof value === 'number' && value === (value | 0)");
/** The array keeps the lower 64 bits of any bigint: it fits if it comes back. */
const putInt64 = (target) => `typeof value === 'bigint' && ((${target}[i] = value), ${target}[i] === value)`;

export const int32 = numbers({ tag: 'int32' }, 'Int32', Int32Array, 'an integer of 32 bits', putInt32);
export const float32 = numbers({ tag: 'float32' }, 'Float32', Float32Array, 'a number', putNumber);
export const float64 = numbers({ tag: 'float64' }, 'Float64', Float64Array, 'a number', putNumber);
export const date = numbers({ tag: 'date' }, 'Int32', Int32Array, 'a whole number of days since 1970-01-01', putInt32);

const int64Like = (ty) => numbers(ty, 'Int64', BigInt64Array, 'a bigint of 64 bits', putInt64, 0n);

export const int64 = int64Like({ tag: 'int64' });
export const timestamp = int64Like({ tag: 'timestamp', val: { unit: 'micro', utc: true } });
export const localTimestamp = int64Like({ tag: 'timestamp', val: { unit: 'micro', utc: false } });

/** The same column with numbers for bigints: what no number holds exactly is refused. */
export function asNumbers({ ty, suffix }) {
  return columnType({
    ty, suffix, takes: 'an integer that a number holds exactly', filler: 0, values: exactNumbers,
    target: (rows) => new Int32Array(2 * rows),
    put: (halves) => `Number.isSafeInteger(value) && ((${halves}[2 * i] = value), (${halves}[2 * i + 1] = Math.floor(value / 4294967296)), true)`,
    buffers: (halves) => ({ values: new BigInt64Array(halves.buffer) }),
  });
}

/** By halves of 32 bits, little-endian: without a bigint for each value. */
function exactNumbers({ values, valid }) {
  const [low, high] = [new Uint32Array(values.buffer, values.byteOffset), new Int32Array(values.buffer, values.byteOffset)];
  const decoded = new Array(values.length);
  for (let row = 0; row < values.length; row++) {
    const value = high[2 * row + 1] * 4294967296 + low[2 * row];
    if (!Number.isSafeInteger(value) && (!valid || bitmap.isSet(valid, row))) {
      throw new TypeMismatch(`holds ${values[row]}, which no number holds exactly: leave \`asNumber\` out`);
    }
    decoded[row] = value;
  }
  return decoded;
}

export const boolean = columnType({
  ty: { tag: 'boolean' }, suffix: 'Bool', takes: 'true or false', filler: false,
  values({ values }, rows) {
    const decoded = new Array(rows);
    for (let row = 0; row < rows; row++) decoded[row] = bitmap.isSet(values, row);
    return decoded;
  },
  target: (rows) => new Uint8Array((rows + 7) >> 3),
  put: (bits) => `value === true ? (${bits}[i >> 3] |= 1 << (i & 7)) > 0 : value === false`,
  buffers: (values) => ({ values }),
});

export const text = columnType({
  ty: { tag: 'utf8' }, suffix: 'Bytes', takes: 'a string', filler: '',
  values: decodeTexts,
  target: (rows) => new Array(rows).fill(''),
  put: putIf("typeof value === 'string'"),
  buffers: encodeTexts,
});

const NOTHING = new Uint8Array(0);

export const binary = columnType({
  ty: { tag: 'binary' }, suffix: 'Bytes', takes: 'a Uint8Array', filler: NOTHING,
  values: ({ offsets, data }) => cut(offsets, own(Uint8Array, data)),
  target: (rows) => new Array(rows).fill(NOTHING),
  put: putIf('value instanceof Uint8Array'),
  buffers: (arrays) => slices(arrays, Uint8Array, 'data'),
});

export const float64List = columnType({
  ty: { tag: 'float64-list' }, suffix: 'Float64List', takes: 'a Float64Array or an array of numbers', filler: [],
  values: ({ offsets, values }) => cut(offsets, own(Float64Array, values)),
  target: (rows) => new Array(rows).fill(NOTHING),
  put: putIf(`(value instanceof Float64Array || ${isArrayWithout("typeof item !== 'number'")})`),
  buffers: (arrays) => slices(arrays, Float64Array, 'values'),
});

/** As the raw buffers of Arrow: the offsets of the lists, the validity of their items, and the items as a column of texts. */
export const textList = columnType({
  ty: { tag: 'utf8-list' }, suffix: 'Raw', takes: 'an array of strings and nulls', filler: [],
  values({ buffers: [ends, valid, offsets, data] }) {
    const [lists, texts] = [uint32s(ends), decodeTexts({ offsets: uint32s(offsets), data })];
    if (valid.length > 0) bitmap.putNulls(texts, valid);
    return Array.from({ length: lists.length - 1 }, (_, row) => texts.slice(lists[row], lists[row + 1]));
  },
  target: (rows) => new Array(rows).fill(NOTHING),
  put: putIf(isArrayWithout("typeof item !== 'string' && item !== null")),
  buffers(lists) {
    const items = lists.flatMap((list) => Array.from(list));
    const nulls = items.flatMap((item, number) => (item === null ? [number] : []));
    const { offsets, data } = encodeTexts(items.map((item) => item ?? ''));
    return { buffers: [bytes(offsetsOf(lists)), bitmap.without(nulls, items.length) ?? NOTHING, bytes(offsets), data] };
  },
});

const uint32s = ({ buffer, byteOffset, byteLength }) => new Uint32Array(buffer, byteOffset, byteLength / 4);
const bytes = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength);

/** Each row's own part of `values`, without copying it. */
function cut(offsets, values) {
  const decoded = new Array(offsets.length - 1);
  for (let row = 0; row < decoded.length; row++) decoded[row] = values.subarray(offsets[row], offsets[row + 1]);
  return decoded;
}
