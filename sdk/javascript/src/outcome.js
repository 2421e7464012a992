// What becomes of the rows of a batch, and the rows that a plugin makes: collected here, handed over in one go.

import * as bitmap from './bitmap.js';
import { writeColumn } from './columnar.js';
import { Rejection, drop, keep } from './rows.js';

/** The rows that do not go on. */
export class Removed {
  #rows;
  #mask;
  #numbers = [];
  #rejected = new Set();
  #reasons = new Map();

  constructor(rows) {
    this.#rows = rows;
  }

  get isEmpty() {
    return this.#mask === undefined;
  }

  drop(row) {
    this.#mask ??= bitmap.ones(this.#rows);
    bitmap.clear(this.#mask, row);
    this.#numbers.push(row);
  }

  /** The first reason of a row stands. */
  reject(row, reason) {
    if (typeof reason !== 'string') throw new TypeError(`a row is rejected for a reason, not for ${reason}`);
    if (this.#rejected.has(row)) return;
    this.#rejected.add(row);
    this.drop(row);
    const rows = this.#reasons.get(reason);
    if (rows) rows.push(row);
    else this.#reasons.set(reason, [row]);
  }

  /** Takes what `process` returned for a row, and is true if the row goes on. */
  take(row, verdict) {
    if (verdict === keep) return true;
    if (verdict === drop) this.drop(row);
    else if (verdict instanceof Rejection) this.reject(row, verdict.reason);
    else throw new TypeError(`process returned ${describe(verdict)}: return keep, drop, reject(reason) or nothing`);
    return false;
  }

  /** The values, with `filler` in the rows that do not go on. */
  filled(values, filler) {
    if (this.#numbers.length === 0 || ArrayBuffer.isView(values)) return values;
    const copy = values.slice();
    for (const row of this.#numbers) copy[row] = filler;
    return copy;
  }

  apply(batch) {
    if (this.#mask) batch.keep(this.#mask);
    for (const [reason, rows] of this.#reasons) batch.reject(Uint32Array.from(rows), reason);
  }
}

const describe = (value) => (typeof value?.then === 'function' ? 'a promise, which nobody waits for' : String(value));

/** The rows that are emitted, by output. */
export class Emitter {
  #outputs;
  /** The row in hand. */
  parent = 0;

  constructor(outputs) {
    this.#outputs = outputs.map(({ key, name, written }) => ({ key, name, written, parents: [], values: written.map(() => []) }));
    this.emit = (output, values) => this.emitFrom(this.parent, output, values);
  }

  emitFrom(parent, key, row) {
    const output = this.#outputs.find((output) => output.key === key);
    if (!output) throw new TypeError(`the plugin declares no output \`${String(key)}\``);
    const unknown = Object.keys(row).find((name) => !output.written.some((declared) => declared.key === name));
    if (unknown !== undefined) throw new TypeError(`output \`${output.name ?? 'stream'}\` has no column \`${unknown}\` to write`);
    output.parents.push(parent);
    output.written.forEach(({ key, column }, index) => output.values[index].push(row[key] ?? (column.isNullable ? null : undefined)));
  }

  /** Hands them over, each output by a builder of the host's. */
  apply(batch, host) {
    this.#outputs.forEach(({ parents, written, values }, number) => {
      if (parents.length === 0) return;
      const builder = new host.Builder(number, parents.length);
      builder.gather(batch, Uint32Array.from(parents));
      written.forEach((declared, index) => writeColumn(builder, declared.number, declared.column, values[index]));
      host.emit(builder);
    });
  }
}
