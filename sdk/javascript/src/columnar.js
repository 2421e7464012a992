// A batch as `prepare` and `processBatch` see it: columns are fetched when they are first looked at, and what is
// written or said about rows is collected, to be handed to the host when the function has returned.

import { ColumnError } from './errors.js';
import { ColumnWriter, TypeMismatch, decode, encode, mismatch } from './types.js';

/** Runs `convert` and says of which column it complains. */
export function ofColumn(column, convert) {
  try {
    return convert();
  } catch (error) {
    throw error instanceof TypeMismatch ? new ColumnError(column, error.message) : error;
  }
}

/** A column of a batch: its buffers are fetched when it is first looked at. */
class ColumnRead {
  #fetch;
  #rows;
  #buffers;
  #decoded;

  constructor(column, rows, fetch) {
    Object.assign(this, { column });
    this.#rows = rows;
    this.#fetch = fetch;
  }

  get buffers() {
    return (this.#buffers ??= this.#fetch());
  }

  /** Anything where they are null. */
  get values() {
    return ofColumn(this.column, () => this.column.type.values(this.buffers, this.#rows));
  }

  /** With null in it. */
  get decoded() {
    return (this.#decoded ??= ofColumn(this.column, () => decode(this.column.type, this.buffers, this.#rows)));
  }
}

/** The columns that are read of a batch, in their order in the plan. */
export const columnsRead = (batch, rows, reads) =>
  reads.map(({ column }, number) => new ColumnRead(column, rows, () => batch[`read${column.type.suffix}`](number)));

/** The same by their keys, each an array of values, and nulls for those that are not there. */
export function columnsByKey(columns, rows, { reads, absent }) {
  const byKey = {};
  const define = (key, get) => Object.defineProperty(byKey, key, { enumerable: true, get });
  for (const { key } of absent) define(key, () => new Array(rows).fill(null));
  reads.forEach(({ key }, number) => define(key, () => columns[number].decoded));
  return byKey;
}

/** What `processBatch` gets. Its members are documented in index.d.ts. */
export class ColumnBatch {
  #written;
  #removed;
  #emitter;

  constructor(rows, columns, written, removed, emitter) {
    this.rows = rows;
    this.columns = columns;
    this.#written = written;
    this.#removed = removed;
    this.#emitter = emitter;
  }

  set(key, values) {
    this.#written.set(key, values);
  }

  drop(row) {
    this.#removed.drop(this.#checked(row));
  }

  reject(row, reason) {
    this.#removed.reject(this.#checked(row), reason);
  }

  emit(output, parent, values) {
    this.#emitter.emitFrom(this.#checked(parent), output, values);
  }

  #checked(row) {
    if (!Number.isInteger(row) || row < 0 || row >= this.rows) throw new RangeError(`the batch has no row ${row}: it has ${this.rows}`);
    return row;
  }
}

/** The columns that a plugin writes, in their order in the plan. */
export class Written {
  #writes;
  #rows;
  #values;
  #writers;

  constructor(writes, rows) {
    this.#writes = writes;
    this.#rows = rows;
    this.#values = new Array(writes.length);
  }

  set(key, values) {
    const number = this.#writes.findIndex((declared) => declared.key === key);
    if (number === -1) throw new TypeError(`\`${key}\` is not written: declare it with \`write()\` or \`new()\``);
    if (!Array.isArray(values) && !ArrayBuffer.isView(values)) throw new TypeError(`\`${key}\` takes an array, not ${typeof values}`);
    if (values.length !== this.#rows) throw new RangeError(`\`${key}\` has ${values.length} values, and the batch ${this.#rows} rows`);
    this.#values[number] = values;
  }

  /** Writers for all of them, to be filled row by row. */
  open() {
    this.#writers = this.#writes.map(({ column }) => new ColumnWriter(column.type, this.#rows));
    return this.#writers;
  }

  /** Says what is wrong with a value that column `number` does not take. */
  refuse(number, value) {
    const { column } = this.#writes[number];
    throw value === null ? takesNoNull(column) : new ColumnError(column, mismatch(value, column.type).message);
  }

  /** Hands them to the batch, with something harmless in the rows that do not go on. */
  finish(batch, removed) {
    this.#writes.forEach(({ key, column }, number) => {
      if (this.#writers) return write(batch, number, column, this.#writers[number].buffers());
      const values = this.#values[number];
      if (!values) throw new ColumnError(column, `was not written: call \`batch.set('${key}', values)\``);
      writeColumn(batch, number, column, removed.filled(values, column.type.filler));
    });
  }
}

const takesNoNull = (column) => new ColumnError(column, 'takes no null: declare it with `nullable()`');

/** Writes a column to a batch or a builder. */
export function writeColumn(target, number, column, values) {
  const buffers = ofColumn(column, () => encode(column.type, values));
  if (buffers.valid && !column.isNullable) throw takesNoNull(column);
  write(target, number, column, buffers);
}

function write(target, number, { type }, buffers) {
  target[`write${type.suffix}`](number, buffers);
}
