// A batch as `prepare` and `processBatch` see it: columns are fetched when they are first looked at, and what is
// written or said about rows is collected, to be handed to the host when the function has returned.

import { ColumnError } from './errors.js';
import { TypeMismatch } from './types.js';

/** Runs `convert` and says of which column it complains. */
export function ofColumn(column, convert) {
  try {
    return convert();
  } catch (error) {
    throw error instanceof TypeMismatch ? new ColumnError(column, error.message) : error;
  }
}

/** The columns of a batch by their keys, each an array of values. */
export function lazyColumns(batch, rows, { reads, absent }) {
  const columns = {};
  const nulls = () => new Array(rows).fill(null);
  for (const { key } of absent) define(columns, key, nulls);
  reads.forEach(({ key, column }, number) => {
    const { suffix, decode } = column.type;
    define(columns, key, () => ofColumn(column, () => decode(batch[`read${suffix}`](number), rows)));
  });
  return columns;
}

function define(columns, key, fetch) {
  let values;
  Object.defineProperty(columns, key, { enumerable: true, get: () => (values ??= fetch()) });
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

  /** Empty arrays for all of them, to be filled row by row. */
  open() {
    this.#values = this.#writes.map(() => new Array(this.#rows));
    return this.#values;
  }

  /** Hands them to the batch, with something harmless in the rows that do not go on. */
  finish(batch, removed) {
    this.#writes.forEach(({ key, column }, number) => {
      const values = this.#values[number];
      if (!values) throw new ColumnError(column, `was not written: call \`batch.set('${key}', values)\``);
      writeColumn(batch, number, column, removed.filled(values, column.type.filler));
    });
  }
}

/** Writes a column to a batch or a builder. */
export function writeColumn(target, number, column, values) {
  const { type } = column;
  const buffers = ofColumn(column, () => type.encode(values));
  if (buffers.valid && !column.isNullable) throw new ColumnError(column, 'takes no null: declare it with `nullable()`');
  target[`write${type.suffix}`](number, buffers);
}
