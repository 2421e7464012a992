// The loop over the rows of a batch: it fills an object with a row's values, passes it to the author's function, and
// puts what is written straight into buffers. The loop is made as source text for the declared columns, so that the
// engine, an interpreter, sees plain accesses to fields and arrays. It goes by bytes of the bitmaps, eight rows each.

import { ones } from './bitmap.js';

/** The row goes on, with what was written. */
export const keep = Object.freeze({ verdict: 'keep' });

/** The row ends here, and is counted. */
export const drop = Object.freeze({ verdict: 'drop' });

/** The row becomes a dead letter with this reason, which names column and rule, not the row's values. */
export class Rejection {
  constructor(reason) {
    this.reason = reason;
  }
}

export const reject = (reason) => new Rejection(reason);

/** What the loop reads of a column: its values, and their validity as a bitmap. */
export function rowValues({ column, values, buffers }, rows) {
  return { values, valid: column.isNullable ? (buffers.valid ?? ones(rows)) : undefined };
}

/**
 * Makes `(columns, targets, rows, process, context, emitter, take, other)`: `columns` holds the {@link rowValues} of each of
 * `reads`, `targets` what each of `writes` is put into; `take(row, verdict)` is told what `process` returned and says whether
 * the row goes on; `other(number, row, value)` gets what cannot be put into target `number`.
 */
export function compileLoop({ reads, absent, writes }, emits) {
  const nullable = reads.map(({ column }, number) => (column.isNullable ? number : -1)).filter((number) => number >= 0);
  const read = ({ column }, number) => (column.isNullable ? `valid${number} & bit ? read${number}[i] : null` : `read${number}[i]`);
  const key = (declared) => JSON.stringify(declared.key);
  const beginning = new Map([
    ...absent.map((declared) => [key(declared), 'null']),
    ...writes.map((declared) => [key(declared), declared.column.isNullable ? 'null' : 'undefined']),
    ...reads.map((declared, number) => [key(declared), read(declared, number)]),
  ]);
  const put = (declared, number) =>
    `value = row[${key(declared)}]; if (!(${declared.column.type.put(`write${number}`)})) other(${number}, i, value);`;
  const names = (prefix, declared) => declared.map((_, number) => prefix + number).join(', ');
  const lines = {
    columns: reads.map((_, number) => `const { values: read${number}, valid: bits${number} } = columns[${number}];`),
    fields: [...beginning.keys()].map((field) => `${field}: undefined`),
    bytes: nullable.map((number) => `const valid${number} = bits${number}[byte];`),
    fill: [...beginning].map(([field, value]) => `row[${field}] = ${value};`),
    parent: emits ? ['emitter.parent = i;'] : [],
    take: writes.map(put),
  };
  const parameters = ['columns', 'targets', 'rows', 'process', 'context', 'emitter', 'take', 'other'];
  return new Function(...parameters, `'use strict';
    ${lines.columns.join(' ')}
    const [${names('write', writes)}] = targets;
    const { emit } = emitter;
    const row = Object.preventExtensions({ ${lines.fields.join(', ')} });
    let value;
    for (let i = 0, byte = 0; i < rows; byte++) {
      const end = Math.min(rows, i + 8);
      ${lines.bytes.join(' ')}
      for (let bit = 1; i < end; i++, bit <<= 1) {
        ${lines.fill.join(' ')}
        ${lines.parent.join('')}
        const verdict = process(row, context, emit);
        if (verdict !== undefined && !take(i, verdict)) continue;
        ${lines.take.join(' ')}
      }
    }`);
}
